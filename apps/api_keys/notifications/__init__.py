"""Notifications about keys: upcoming expiry, due rotation, unusual use.

Periodic jobs of the worker create them, and in the same transaction the event, if there is one. Actions that settle
the matter call ``resolve_for``.
"""

from apps.api_keys.notifications.posting import resolve_for

__all__ = ["resolve_for"]

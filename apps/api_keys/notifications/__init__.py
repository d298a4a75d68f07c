"""What people are told of their keys by themselves: that one expires, grows old, or is used as it never was.

Sweeps of the worker look for it. Each alert is a notice, by that a mail to those who may act, and mostly an event,
in one transaction. Actions that end what an alert speaks of call ``resolve_for``.
"""

from apps.api_keys.notifications.posting import resolve_for

__all__ = ["resolve_for"]

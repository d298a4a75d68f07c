"""Event types, endpoints and deliveries in the operators' admin."""

from apps.webhooks.admin import pages

__all__ = ["pages"]

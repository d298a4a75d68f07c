"""Webhooks in the operators' admin."""

from apps.webhooks.admin import pages

__all__ = ["pages"]

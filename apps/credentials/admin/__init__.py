"""What the operators' admin shows of keys and of stored responses."""

from apps.credentials.admin import pages

__all__ = ["pages"]

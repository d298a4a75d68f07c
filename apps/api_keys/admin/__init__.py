"""Key types, scopes and keys in the operators' admin."""

from apps.api_keys.admin import pages

__all__ = ["pages"]

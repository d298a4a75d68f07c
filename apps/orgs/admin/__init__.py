"""Organizations, users and mail in the operators' admin."""

from apps.orgs.admin import pages

__all__ = ["pages"]

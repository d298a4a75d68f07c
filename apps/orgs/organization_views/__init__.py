"""Pages about an organization as a whole, and about the mail that a person gets of their organizations."""

from apps.orgs.organization_views.account import account_mail
from apps.orgs.organization_views.ending import organization_close, organization_export
from apps.orgs.organization_views.settings import (
    organization_general,
    organization_mail,
    organization_retention,
    organization_security,
    organization_settings,
)

__all__ = [
    "account_mail",
    "organization_close",
    "organization_export",
    "organization_general",
    "organization_mail",
    "organization_retention",
    "organization_security",
    "organization_settings",
]

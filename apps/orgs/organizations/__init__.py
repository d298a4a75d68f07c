"""What is done to an organization as a whole: its settings, suspension, closing, a copy of its data."""

from apps.orgs.organizations.closing import close_organization, reopen_organization
from apps.orgs.organizations.copies import take_copy
from apps.orgs.organizations.mail_choices import choose_own_mail
from apps.orgs.organizations.settings import OPERATORS_OWN, SETTINGS, update_settings
from apps.orgs.organizations.suspension import resume_organization, suspend_organization

__all__ = [
    "OPERATORS_OWN",
    "SETTINGS",
    "choose_own_mail",
    "close_organization",
    "reopen_organization",
    "resume_organization",
    "suspend_organization",
    "take_copy",
    "update_settings",
]

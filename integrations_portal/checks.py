"""System checks for configurations that start but are incomplete."""

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.checks import CheckMessage, Error, Info
from django.db import DatabaseError

from integrations_portal.database import poolers

DUPLICATE_EMAIL = "%s are one email address and two accounts. Both can sign in. Remove the account that nobody uses."
NO_MAIL = "EMAIL_URL is not set: invitations, password resets and notifications wait and aren't sent."


def check_mail(**_options: Any) -> list[CheckMessage]:
    """Report that no mail server is configured."""
    return [] if sends_mail() else [Info(NO_MAIL, id="portal.I001")]


def check_duplicate_emails(**_options: Any) -> list[CheckMessage]:
    """Report older accounts whose addresses differ only in spelling; nothing if there is no database yet."""
    try:
        duplicates = get_user_model().objects.with_duplicate_addresses()
    except DatabaseError:
        return []
    return [
        Info(DUPLICATE_EMAIL % " and ".join(user.email for user in users), id="portal.I002") for users in duplicates
    ]


def check_pooler(databases: Sequence[str] | None = None, **_options: Any) -> list[CheckMessage]:
    """Report a setting that is incompatible with the database's pooler; run by ``migrate`` and ``--database``."""
    try:
        found = poolers.prepared_statements_error() if databases else ""
    except DatabaseError:
        return []
    return [Error(found, id="portal.E001")] if found else []


def sends_mail() -> bool:
    """Return whether a mail server is configured."""
    return not settings.EMAIL_BACKEND.endswith(".NoMail")

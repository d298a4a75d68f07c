"""What ``manage.py check`` tells operators besides Django's own checks: what starts, and is still not complete."""

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.checks import CheckMessage, Error, Info
from django.db import DatabaseError

from integrations_portal.database import poolers

ONE_ADDRESS = "%s are one email address and two accounts. Both can sign in. Remove the account that nobody uses."
NO_MAIL = "EMAIL_URL is not set: invitations, password resets and notifications wait and aren't sent."


def check_mail(**_options: Any) -> list[CheckMessage]:
    """Tell that no mail leaves."""
    return [] if sends_mail() else [Info(NO_MAIL, id="portal.I001")]


def check_addresses(**_options: Any) -> list[CheckMessage]:
    """Name the accounts of before that have one address in two spellings; nothing where there is no database yet."""
    try:
        twins = get_user_model().objects.with_duplicate_addresses()
    except DatabaseError:
        return []
    return [Info(ONE_ADDRESS % " and ".join(user.email for user in users), id="portal.I002") for users in twins]


def check_pooler(databases: Sequence[str] | None = None, **_options: Any) -> list[CheckMessage]:
    """Refuse a setting that the pooler before the database does not go with; ``migrate`` asks, and ``--database``."""
    try:
        found = poolers.prepared_statements_error() if databases else ""
    except DatabaseError:
        return []
    return [Error(found, id="portal.E001")] if found else []


def sends_mail() -> bool:
    """Tell whether the settings name a way for mail."""
    return not settings.EMAIL_BACKEND.endswith(".NoMail")

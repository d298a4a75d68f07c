"""E-mail addresses of accounts: an address belongs to one account."""

import uuid
from collections.abc import Sequence
from typing import Any

from allauth.account.models import EmailAddress
from django.db import connection

from apps.base.errors import Invalid
from apps.base.text.email_validation import email_spellings, normalize_email
from apps.orgs.models import Membership, User

TAKEN = "Email address is already in use."


def lock_addresses(emails: Sequence[str]) -> None:
    """Lock addresses until the transaction ends, in a fixed order, so that two batches do not deadlock.

    On SQLite the transaction itself is exclusive, because it begins IMMEDIATE.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_advisory_xact_lock(lock) FROM (SELECT DISTINCT hashtextextended(address, 0) AS lock "
                "FROM unnest(%s::text[]) AS address ORDER BY lock) AS locks",
                [[normalize_email(email) for email in emails]],
            )


def check_address_free(email: str) -> None:
    """Raise Invalid if the address is the primary or a confirmed secondary address of an account."""
    if account_of_address(email) is not None:
        raise Invalid.field("email", TAKEN)


def check_not_member(organization_id: uuid.UUID, email: str, exclude: Membership | None = None) -> None:
    """Raise Invalid if a member of the organization has the address; accounts elsewhere are ignored.

    Call ``lock_addresses`` before.
    """
    rows = Membership.objects.filter(organization_id=organization_id).with_address(email)
    if (rows if exclude is None else rows.exclude(pk=exclude.pk)).exists():
        raise Invalid.field("email", TAKEN)


def has_confirmed_address(user: User) -> bool:
    """Return whether the account's primary address is confirmed."""
    return EmailAddress.objects.filter(user=user, email=user.email, verified=True).exists()


def account_of_address(email: str) -> User | None:
    """Return the account whose primary or confirmed secondary address this is, or None.

    Provisional accounts do not count, because they don't own their address (``UserManager``).
    """
    own = User.objects.address_owner(email)
    if own is not None:
        return own
    row = EmailAddress.objects.filter(email__in=email_spellings(email), verified=True).select_related("user").first()
    return None if row is None else row.user


def create_account(email: str, **values: Any) -> User:
    """Create an account without a password; its owner gets a link to set one, which confirms the address."""
    user = User(email=email, name=email.partition("@")[0], **values)
    user.set_unusable_password()
    user.full_clean(exclude=["password"])
    user.save(force_insert=True)
    EmailAddress.objects.create(user=user, email=user.email, primary=True, verified=False)
    return user

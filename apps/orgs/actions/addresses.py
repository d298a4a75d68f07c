"""One address is one account."""

from collections.abc import Sequence

from allauth.account.models import EmailAddress
from django.db import connection

from apps.base.errors import Invalid
from apps.base.mail_addresses import canonical_address, spellings
from apps.orgs.models import User

TAKEN = "Email address is already in use."


def hold_addresses(emails: Sequence[str]) -> None:
    """This will have other batches with the same addresses wait, one order for all: else two could wait for each other.

    On SQLite the transaction itself is exclusive, for it begins IMMEDIATE.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_advisory_xact_lock(lock) FROM (SELECT DISTINCT hashtextextended(address, 0) AS lock "
                "FROM unnest(%s::text[]) AS address ORDER BY lock) AS locks",
                [[canonical_address(email) for email in emails]],
            )


def refuse_taken(email: str, but: User | None = None) -> None:
    """This will raise Invalid where the address belongs to an account, as its main or a further, confirmed one."""
    accounts = User.objects.filter(email__in=spellings(email))
    further = EmailAddress.objects.filter(email__in=spellings(email), verified=True)
    if but is not None:
        accounts, further = accounts.exclude(pk=but.pk), further.exclude(user=but)
    if accounts.exists() or further.exists():
        raise Invalid.field("email", TAKEN)


def is_confirmed(user: User) -> bool:
    """This will tell whether the owner of the account's own address has confirmed it."""
    return EmailAddress.objects.filter(user=user, email=user.email, verified=True).exists()


def account_of(email: str) -> User | None:
    """This will return the account that an address belongs to: its own, or a further one that was confirmed."""
    own = User.objects.with_address(email)
    if own is not None:
        return own
    row = EmailAddress.objects.filter(email__in=spellings(email), verified=True).select_related("user").first()
    return None if row is None else row.user

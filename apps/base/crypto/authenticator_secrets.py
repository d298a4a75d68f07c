"""Secrets of authenticator apps: encrypted in django-allauth's own rows, each bound to its account.

allauth's hook for it (``MFA_ADAPTER.encrypt``) is told neither the row nor the account, so that a ciphertext could be
pasted into another account's row and would open there. Nothing of allauth's reads these secrets: ``second_step`` does.
"""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from allauth.mfa.models import Authenticator
from django.db import transaction

from apps.base.crypto.encrypted_fields import binding, current_key_id, seal, unseal

SEALED = "v1:"
BATCH = 200


def encrypt_secret(secret: str, user_pk: UUID) -> str:
    """Return what is kept of an authenticator app's secret."""
    return str(seal(secret, _bound_to(user_pk)))


def decrypt_secret(row: Any) -> str:
    """Return the secret of an authenticator app, or raise CannotDecrypt.

    One in clear, which a process of an older version wrote, is read as it is, until ``reencrypt`` meets it.
    """
    kept: str = row.data["secret"]
    return unseal(kept, _bound_to(row.user_id)) if kept.startswith(SEALED) else kept


def is_plaintext(kept: str) -> bool:
    """Tell whether a kept secret is not encrypted."""
    return not kept.startswith(SEALED)


def secrets_under_older_keys() -> Iterator[tuple[int, str]]:
    """Give key and kept text of each secret in clear or under an older key."""
    rows, place = Authenticator.objects.filter(type="totp").order_by("pk"), 0
    while batch := list(rows.filter(pk__gt=place)[:BATCH]):
        for row in batch:
            kept = row.data.get("secret", "")
            if kept and not kept.startswith(f"{SEALED}{current_key_id()}:"):
                yield row.pk, kept
        place = batch[-1].pk


def reencrypt(pk: int) -> bool:
    """Encrypt one secret under the current key and tell whether there was one to encrypt.

    Under the row's lock, like the use of a code: neither takes back what the other wrote. Raises CannotDecrypt.
    """
    with transaction.atomic():
        row = Authenticator.objects.select_for_update().filter(pk=pk, type="totp").first()
        if row is None or not row.data.get("secret"):
            return False
        row.data["secret"] = encrypt_secret(decrypt_secret(row), row.user_id)
        row.save(update_fields=["data"])
    return True


def _bound_to(user_pk: UUID) -> bytes:
    # The account stands for the row, whose own key is not known before it is written, and for the organization.
    return binding("mfa_authenticator", user_pk, user_pk, "data.secret")

"""Secrets of authenticator apps, encrypted in django-allauth's rows and bound to their accounts.

allauth's hook (``MFA_ADAPTER.encrypt``) receives neither row nor account, so a ciphertext copied to another account's
row would decrypt there. allauth never reads these secrets; ``apps/base/web/second_step.py`` does.
"""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from allauth.mfa.models import Authenticator
from django.db import transaction

from apps.base.crypto.encrypted_fields import binding, current_key_id, seal, unseal

CIPHERTEXT_PREFIX = "v1:"
BATCH = 200


def encrypt_secret(secret: str, user_pk: UUID) -> str:
    """Return an authenticator app's secret as it is stored."""
    return str(seal(secret, _associated_data(user_pk)))


def decrypt_secret(row: Any) -> str:
    """Return the secret of an authenticator app, or raise CannotDecrypt.

    A plaintext secret, written by an older version, is returned as it is, until ``reencrypt`` encrypts it.
    """
    stored: str = row.data["secret"]
    return stored if is_plaintext(stored) else unseal(stored, _associated_data(row.user_id))


def is_plaintext(stored: str) -> bool:
    """Return whether a stored secret is not encrypted."""
    return not stored.startswith(CIPHERTEXT_PREFIX)


def secrets_under_older_keys() -> Iterator[tuple[int, str]]:
    """Yield primary key and stored text of each secret that is in plaintext or under an older key."""
    rows, last_pk = Authenticator.objects.filter(type="totp").order_by("pk"), 0
    while batch := list(rows.filter(pk__gt=last_pk)[:BATCH]):
        for row in batch:
            stored = row.data.get("secret", "")
            if stored and not stored.startswith(f"{CIPHERTEXT_PREFIX}{current_key_id()}:"):
                yield row.pk, stored
        last_pk = batch[-1].pk


def reencrypt(pk: int) -> bool:
    """Encrypt one secret under the current key and return whether there was one.

    Locks the row, as the use of a code does: neither overwrites the other. Raises CannotDecrypt.
    """
    with transaction.atomic():
        row = Authenticator.objects.select_for_update().filter(pk=pk, type="totp").first()
        if row is None or not row.data.get("secret"):
            return False
        row.data["secret"] = encrypt_secret(decrypt_secret(row), row.user_id)
        row.save(update_fields=["data"])
    return True


def _associated_data(user_pk: UUID) -> bytes:
    # The account's key replaces the row's, which is unknown before the first save, and the organization's.
    return binding("mfa_authenticator", user_pk, user_pk, "data.secret")

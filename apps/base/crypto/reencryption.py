"""Re-encrypt values under the current key while the portal runs.

Rows are read in small batches and written one at a time, only where the ciphertext is still the one that was read:
concurrent changes are never overwritten, and at most one row is locked.
"""

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db import models
from django.db.models.functions import Substr

from apps.base.crypto.authenticator_secrets import is_plaintext, reencrypt, secrets_under_older_keys
from apps.base.crypto.encrypted_fields import CannotDecrypt, EncryptedTextField, current_key_id, key_id_of, seal

BATCH = 100
PAUSE_SECONDS = 0.01
MAX_PASSES = 5


@dataclass
class ReencryptionResult:
    """What a run did. ``left`` counts the remaining values by the id of their key."""

    renewed: int = 0
    changed_meanwhile: int = 0
    unreadable: int = 0
    left: Counter[str] = field(default_factory=Counter)


def encrypted_fields() -> Iterator[tuple[type[models.Model], EncryptedTextField]]:
    """Yield every encrypted field of every model."""
    for model in apps.get_models():
        for each in model._meta.local_fields:
            if isinstance(each, EncryptedTextField):
                yield model, each


def reencrypt_all() -> ReencryptionResult:
    """Re-encrypt until no value is under an older key, or a pass over all rows changes nothing."""
    result = ReencryptionResult()
    for _pass in range(MAX_PASSES):
        before = result.renewed
        result.unreadable = 0
        for model, each in encrypted_fields():
            _reencrypt_field(model, each, result)
        _reencrypt_authenticators(result)
        result.left = values_under_older_keys()
        if not result.left or result.renewed == before:
            break
    return result


def values_under_older_keys() -> Counter[str]:
    """Count the values that are not under the current key, by the id of their key; unknown keys included."""
    found: Counter[str] = Counter()
    for model, each in encrypted_fields():
        for sealed in (
            _rows_under_older_keys(model, each).values_list(each.attname, flat=True).iterator(chunk_size=1000)
        ):
            found[key_id_of(sealed)] += 1
    found.update(key_id_of(stored) for _pk, stored in secrets_under_older_keys())
    return found


def undecryptable_values() -> Counter[str]:
    """Count the values whose key is not in ENCRYPTION_KEYS, by its id."""
    found = values_under_older_keys()
    found.subtract(key_id_of(stored) for _pk, stored in secrets_under_older_keys() if is_plaintext(stored))
    return Counter({name: count for name, count in found.items() if count and name not in settings.ENCRYPTION_KEYS})


def _rows_under_older_keys(model: type[models.Model], each: EncryptedTextField) -> models.QuerySet[Any]:
    """Return the rows whose value is not under the current key, by a prefix compared case-sensitively everywhere."""
    head = f"v1:{current_key_id()}:"
    rows = model._base_manager.exclude(**{f"{each.attname}__isnull": True})
    start = Substr(each.attname, 1, len(head), output_field=models.CharField())
    older: models.QuerySet[Any] = rows.annotate(_head=start).exclude(_head=head)
    return older


def _reencrypt_field(model: type[models.Model], each: EncryptedTextField, result: ReencryptionResult) -> None:
    rows: Any = _rows_under_older_keys(model, each).only("pk", "organization_id", each.attname).order_by("pk")
    last_pk = None
    while batch := list((rows if last_pk is None else rows.filter(pk__gt=last_pk))[:BATCH]):
        for row in batch:
            _reencrypt_row(model, each, row, result)
        last_pk = batch[-1].pk
        time.sleep(PAUSE_SECONDS)


def _reencrypt_authenticators(result: ReencryptionResult) -> None:
    """Re-encrypt the secrets of authenticator apps, which are in django-allauth's rows, some in plaintext."""
    for pk, _stored in secrets_under_older_keys():
        try:
            result.renewed += reencrypt(pk)
        except CannotDecrypt:
            result.unreadable += 1


def _reencrypt_row(model: type[models.Model], each: EncryptedTextField, row: Any, result: ReencryptionResult) -> None:
    sealed = row.__dict__[each.attname]
    try:
        plain = getattr(row, each.attname)
    except CannotDecrypt:
        result.unreadable += 1
        return
    unchanged = model._base_manager.filter(pk=row.pk, **{each.attname: sealed})
    if unchanged.update(**{each.attname: seal(plain, each.binding(row))}):
        result.renewed += 1
    else:
        result.changed_meanwhile += 1

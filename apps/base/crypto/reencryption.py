"""Encrypting anew under the current key what an older one closed, while the portal runs.

Rows are read in small batches and written one by one, each only where the ciphertext is still the one that was read: a
change that somebody makes meanwhile is never overwritten, and no more than one row is ever locked.
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
MOST_ROUNDS = 5


@dataclass
class ReencryptionResult:
    """What a run did, and what is left: values by the id of the key that closes them."""

    renewed: int = 0
    changed_meanwhile: int = 0
    unreadable: int = 0
    left: Counter[str] = field(default_factory=Counter)


def encrypted_fields() -> Iterator[tuple[type[models.Model], EncryptedTextField]]:
    """Give every encrypted field of every model."""
    for model in apps.get_models():
        for each in model._meta.local_fields:
            if isinstance(each, EncryptedTextField):
                yield model, each


def reencrypt_all() -> ReencryptionResult:
    """Encrypt anew until nothing is left under an older key, or a round over all rows renews nothing."""
    done = ReencryptionResult()
    for _round in range(MOST_ROUNDS):
        before = done.renewed
        done.unreadable = 0
        for model, each in encrypted_fields():
            _reseal_field(model, each, done)
        _reseal_steps(done)
        done.left = older_values()
        if not done.left or done.renewed == before:
            break
    return done


def older_values() -> Counter[str]:
    """Count the values that are not under the current key, by the id of theirs; unknown keys included."""
    found: Counter[str] = Counter()
    for model, each in encrypted_fields():
        for sealed in _older(model, each).values_list(each.attname, flat=True).iterator(chunk_size=1000):
            found[key_id_of(sealed)] += 1
    found.update(key_id_of(kept) for _pk, kept in secrets_under_older_keys())
    return found


def undecryptable_values() -> Counter[str]:
    """Count the values whose key is not in ENCRYPTION_KEYS, by its id."""
    found = older_values()
    found.subtract(key_id_of(kept) for _pk, kept in secrets_under_older_keys() if is_plaintext(kept))
    return Counter({name: count for name, count in found.items() if count and name not in settings.ENCRYPTION_KEYS})


def _older(model: type[models.Model], each: EncryptedTextField) -> models.QuerySet[Any]:
    """Rows whose value does not begin as those of the current key do, compared letter by letter on every database."""
    head = f"v1:{current_key_id()}:"
    rows = model._base_manager.exclude(**{f"{each.attname}__isnull": True})
    start = Substr(each.attname, 1, len(head), output_field=models.CharField())
    older: models.QuerySet[Any] = rows.annotate(_head=start).exclude(_head=head)
    return older


def _reseal_field(model: type[models.Model], each: EncryptedTextField, done: ReencryptionResult) -> None:
    rows: Any = _older(model, each).only("pk", "organization_id", each.attname).order_by("pk")
    place = None
    while batch := list((rows if place is None else rows.filter(pk__gt=place))[:BATCH]):
        for row in batch:
            _reseal_row(model, each, row, done)
        place = batch[-1].pk
        time.sleep(PAUSE_SECONDS)


def _reseal_steps(done: ReencryptionResult) -> None:
    """The secrets of authenticator apps: they stand in rows of django-allauth's, some of an old portal's in clear."""
    for pk, _kept in secrets_under_older_keys():
        try:
            done.renewed += reencrypt(pk)
        except CannotDecrypt:
            done.unreadable += 1


def _reseal_row(model: type[models.Model], each: EncryptedTextField, row: Any, done: ReencryptionResult) -> None:
    sealed = row.__dict__[each.attname]
    try:
        plain = getattr(row, each.attname)
    except CannotDecrypt:
        done.unreadable += 1
        return
    unchanged = model._base_manager.filter(pk=row.pk, **{each.attname: sealed})
    if unchanged.update(**{each.attname: seal(plain, each.binding(row))}):
        done.renewed += 1
    else:
        done.changed_meanwhile += 1

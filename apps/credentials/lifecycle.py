"""The life of a key of any kind: issued with its text once, later changed by conditional updates only."""

from datetime import datetime
from typing import Any, TypeVar

from django.utils import timezone

from apps.base.actor import Actor
from apps.base.errors import Conflict
from apps.base.secrets import new_key
from apps.credentials import gate
from apps.credentials.models import KeyStatus, SecretKey

Key = TypeVar("Key", bound=SecretKey)


def issue(model: type[Key], *, actor: Actor, **values: Any) -> tuple[Key, str]:
    """This will save a new key and return it with its text, which is kept nowhere else."""
    made = new_key(model.key_prefix)
    digest, pepper_id = gate.digest_for(made.text)
    key = model(
        organization_id=actor.organization_id,
        key_id=made.key_id,
        digest=digest,
        pepper_id=pepper_id,
        last_four=made.last_four,
        created_by_kind=actor.kind,
        created_by_id=actor.id,
        created_by_label=actor.label[:200],
        **values,
    )
    key.full_clean(exclude=["organization"])
    key.save(force_insert=True)
    return key, made.text


def revoke(key: Key, *, actor: Actor, reason: str = "", now: datetime | None = None) -> bool:
    """This will end a key for good and tell whether it was still alive; an expired one raises Conflict."""
    moment = now or timezone.now()
    if key.status_at(moment) == KeyStatus.EXPIRED:
        raise Conflict("This key has expired; there is nothing to revoke.")
    changed = (
        type(key)
        .objects.filter(pk=key.pk, revoked_at=None)
        .update(
            revoked_at=moment,
            status_reason=reason[:200],
            status_changed_by=f"{actor.kind}:{actor.id}",
            updated_at=moment,
        )
    )
    key.refresh_from_db()
    gate.key_changed(key.key_prefix, key.key_id)
    return bool(changed)

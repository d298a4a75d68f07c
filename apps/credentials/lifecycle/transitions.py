"""The life of a key of any kind: issued with its text once, later changed by conditional updates only.

Each change says whether it changed anything, so that asking twice is recorded once. Callers hold the key's row
(``lock_key``), so that two changes of one key come one after the other. Rows are never deleted.
"""

import uuid
from datetime import datetime, timedelta
from typing import Any, TypeVar, cast

from django.db import connection
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.audit import actions as audit
from apps.base.actor import Actor
from apps.base.crypto.secrets import new_key
from apps.base.errors import Conflict, Forbidden, Unauthorized
from apps.base.models import Row, creator
from apps.credentials.gate import key_check
from apps.credentials.key_kinds import KINDS
from apps.credentials.key_status import CHANGES, STATUSES
from apps.credentials.models import SecretKey, SecretKeyQuerySet

Key = TypeVar("Key", bound=SecretKey)

MAX_OVERLAP = timedelta(days=30)


def issue(model: type[Key], *, actor: Actor, **values: Any) -> tuple[Key, str]:
    """Save a new key and return it with its text, which is kept nowhere else."""
    made = new_key(model.key_prefix)
    digest, pepper_id = key_check.digest_for(made.text)
    values.setdefault("organization_id", actor.organization_id)
    key = model(
        key_id=made.key_id,
        digest=digest,
        pepper_id=pepper_id,
        last_four=made.last_four,
        **creator(actor),
        **values,
    )
    key.full_clean(exclude=["organization"])
    key.save(force_insert=True)
    return key, made.text


def lock_key(rows: SecretKeyQuerySet[Row], public_id: str) -> Row:
    """Return one of the keys, its row held until the transaction ends, or raise NotFound.

    On SQLite the transaction itself is exclusive, for it begins IMMEDIATE.
    """
    if connection.vendor == "postgresql":
        rows = rows.select_for_update(of=("self",))
    return rows.with_public_id(public_id)


def record(actor: Actor, key: SecretKey, action: str, changes: dict[str, list[Any]]) -> None:
    """Write the one audit entry of a change of a key; its action begins with the key's kind."""
    audit.record(
        actor=actor,
        action=action,
        target_kind=action.partition(".")[0],
        target_id=key.public_id,
        target_label=key.name,
        changes=changes,
        organization_id=key.organization_id,
    )


def lock_creator(actor: Actor) -> None:
    """Hold the key that creates another one, and refuse one that was ended or set aside since its request came in.

    Before any other row: a report of its leak, or its revocation, comes before the new key or finds it.
    """
    kind = next((kind for kind in KINDS.values() if kind.kind == actor.kind), None)
    if kind is None or actor.pk is None:
        return
    status = STATUSES[kind.keys().select_for_update().get(pk=actor.pk).status]
    if status.refusal is not None:
        raise Unauthorized(_("This key no longer works. Use another one."), status.refusal.code)
    if status.restriction is not None:
        raise Forbidden(status.restriction.writing, status.restriction.code)


def own_successors(key: Key) -> list[Key]:
    """Return the keys that still work of those that the key created by rotating itself, and they in turn, oldest first.

    Whoever had the key's text has theirs: it was in the answer to the rotation. A key that somebody else created by
    rotating is none of them, but one that the key made of that in turn, while it still worked, is.
    """
    found: list[Key] = []
    creators, newest, rows = {key.public_id}, key, cast(QuerySet[Key], type(key).objects)
    while successor := rows.filter(replaces=newest).first():
        newest = successor
        if newest.created_by_id in creators:
            creators.add(newest.public_id)
            found += [] if newest.has_ended else [newest]
    return found


def require_changeable(key: SecretKey) -> None:
    """Raise Conflict for a key that is revoked or expired: such a key can only be read."""
    if why := STATUSES[key.status].final:
        raise Conflict(why)


def change(key: SecretKey, name: str, *, actor: Actor, reason: str = "") -> bool:
    """Make a change of ``CHANGES`` and tell whether it was one; Conflict for a key that has ended.

    What a key was beside the state that is taken back, it is again.
    """
    wanted = CHANGES[name]
    if STATUSES[key.status].change == name:
        return False
    require_changeable(key)
    return wanted.applies_to(key) and _change(
        key, actor, reason, wanted.column, timezone.now() if wanted.sets else None
    )


def revoke_all(*, organization_id: uuid.UUID, actor: Actor, reason: str) -> dict[str, int]:
    """End every live key of every kind of an organization, and return how many of each kind that were.

    Call it after the organization's row was changed: the gate refuses what is issued at the same moment.
    """
    now = timezone.now()
    values = {
        "revoked_at": now,
        "status_reason": reason[:200],
        "status_changed_by": f"{actor.kind}:{actor.id}",
        "status_changed_at": now,
        "updated_at": now,
    }
    rows = {kind.kind: kind.keys().filter(organization_id=organization_id) for kind in KINDS.values()}
    ended = {name: found.live(now).update(**values) for name, found in rows.items()}
    key_check.organization_changed(organization_id)
    return ended


def _change(key: SecretKey, actor: Actor, reason: str, field: str, moment: datetime | None) -> bool:
    now = timezone.now()
    values = {
        field: moment,
        "status_reason": reason[:200],
        "status_changed_by": f"{actor.kind}:{actor.id}",
        "status_changed_at": now,
        "updated_at": now,
    }
    before = {field: None} if moment is not None else {f"{field}__isnull": False}
    changed = type(key).objects.filter(pk=key.pk, **before).update(**values)
    for name, value in values.items():
        setattr(key, name, value)
    key_check.key_changed(key.key_prefix, key.key_id)
    return bool(changed)


def replace(
    key: Key, *, actor: Actor, overlap: timedelta, expires_at: datetime | None, **changed: Any
) -> tuple[Key, str]:
    """Issue a key with the settings of another one, which then works for the overlap and no longer.

    Both share one budget of calls. The old key's end only ever comes nearer; an older overlap, of the key that this
    one had replaced, ends at once. ``changed``: settings of the new key that differ. Raises Conflict where the key
    has ended or was replaced before.
    """
    require_changeable(key)
    if key.overlap_since is not None or type(key).objects.filter(replaces=key).exists():
        raise Conflict(_("This key was rotated before: rotate the key that replaced it."))
    now = timezone.now()
    if key.replaces is not None:
        _end_overlap(key.replaces, now)
    _shorten(key, min(now + overlap, key.expires_at or now + overlap), actor, now)
    copied = {name: getattr(key, name) for name in key.copied_fields()}
    values = {**copied, **changed, "organization_id": key.organization_id, "budget_id": key.budget_id}
    return issue(type(key), actor=actor, replaces=key, expires_at=expires_at, **values)


def _shorten(key: SecretKey, ends: datetime, actor: Actor, now: datetime) -> None:
    key.overlap_since, key.expires_at, key.updated_at = now, ends, now
    key.status_changed_at, key.status_changed_by, key.status_reason = now, f"{actor.kind}:{actor.id}", ""
    key.save(
        update_fields=[
            "overlap_since",
            "expires_at",
            "status_changed_at",
            "status_changed_by",
            "status_reason",
            "updated_at",
        ]
    )
    key_check.key_changed(key.key_prefix, key.key_id)


def _end_overlap(predecessor: SecretKey, now: datetime) -> None:
    rows = type(predecessor).objects.filter(pk=predecessor.pk, revoked_at=None, expires_at__gt=now)
    if rows.update(expires_at=now, updated_at=now):
        key_check.key_changed(predecessor.key_prefix, predecessor.key_id)


def lifetime_of(key: SecretKey) -> timedelta | None:
    """Return how long the key was made to live, or None: for ever."""
    return None if key.expires_at is None else key.expires_at - key.created_at


def successor_expiry(key: SecretKey, longest_days: int | None) -> datetime | None:
    """Return when a successor made now ends: as long a life as the old key's, ``longest_days`` at most."""
    lifetime = lifetime_of(key)
    if longest_days is not None:
        lifetime = min(lifetime or timedelta.max, timedelta(days=longest_days))
    return None if lifetime is None else timezone.now() + lifetime

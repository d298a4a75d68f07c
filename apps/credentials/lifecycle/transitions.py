"""State changes of keys of all kinds: issuing, rotation, and conditional updates.

Each change returns whether it changed anything, so that a repeated request is recorded once. Callers lock the key's row
first (``lock_key``), so changes of one key are serialized. Rows are never deleted.
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
from apps.base.rest.object_versions import ANY_VERSION, ExpectedVersion
from apps.base.timestamps import format_timestamp
from apps.credentials.gate import key_check
from apps.credentials.key_kinds import KEY_KINDS
from apps.credentials.key_status import CHANGES, STATUSES
from apps.credentials.models import SecretKey, SecretKeyQuerySet
from apps.credentials.rules import check_reason

Key = TypeVar("Key", bound=SecretKey)


def issue(model: type[Key], *, actor: Actor, **values: Any) -> tuple[Key, str]:
    """Save a new key and return it with the key in plain text, which is not stored."""
    made = new_key(model.key_prefix)
    digest, pepper_id = key_check.digest_with_current_pepper(made.plaintext)
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
    return key, made.plaintext


def lock_key(rows: SecretKeyQuerySet[Row], public_id: str) -> Row:
    """Return a key by public id, its row locked until the transaction ends, or raise NotFound.

    On SQLite the transaction itself is exclusive, because it begins IMMEDIATE.
    """
    if connection.vendor == "postgresql":
        rows = rows.select_for_update(of=("self",))
    return rows.with_public_id(public_id)


def lock_creator(actor: Actor) -> None:
    """Lock the key that creates another one; raise Unauthorized or Forbidden where it no longer works without limits.

    Call it before any other row is locked: a revocation or leak report is then either seen here, or sees the new key.
    """
    kind = next((kind for kind in KEY_KINDS.values() if kind.kind == actor.kind), None)
    if kind is None or actor.pk is None:
        return
    status = STATUSES[kind.keys().select_for_update().get(pk=actor.pk).status]
    if status.refusal is not None:
        raise Unauthorized(_("This key no longer works. Use another one."), status.refusal.code)
    if status.restriction is not None:
        raise Forbidden(status.restriction.write_error, status.restriction.code)


def self_issued_successors(key: Key) -> list[Key]:
    """Return the active keys that the key created by rotating itself, and their own successors, oldest first.

    The holder of a key also received those, in the response to the rotation. A successor that another user or key
    created is left out, but one that the key created from it in turn is included.
    """
    found: list[Key] = []
    creators, newest, rows = {key.public_id}, key, cast(QuerySet[Key], type(key).objects)
    while successor := rows.filter(replaces=newest).first():
        newest = successor
        if newest.created_by_id in creators:
            creators.add(newest.public_id)
            found += [] if newest.is_revoked_or_expired else [newest]
    return found


def require_changeable(key: SecretKey) -> None:
    """Raise Conflict for a key that is revoked or expired."""
    if why := STATUSES[key.status].change_error:
        raise Conflict(why)


def change(
    key: SecretKey, name: str, *, actor: Actor, expected: ExpectedVersion = ANY_VERSION, reason: str = ""
) -> bool:
    """Apply and record a change of ``CHANGES``; return whether the key changed. Conflict for a revoked or expired key.

    The reason is used when a state is set. When one is cleared, other states of the key apply again.
    """
    wanted, before = CHANGES[name], key.status
    reason = check_reason(reason) if wanted.sets_column else ""
    expected.check(key.version)
    if STATUSES[before].change == name:
        return False
    require_changeable(key)
    if not wanted.applies_to(key) or not _change(
        key, actor, reason, wanted.column, timezone.now() if wanted.sets_column else None
    ):
        return False
    changes: dict[str, list[Any]] = {"status": [str(before), str(key.status)]}
    if wanted.sets_column:
        changes["reason"] = [None, reason]
    audit.record_change(actor, f"{KEY_KINDS[key.key_prefix].kind}.{wanted.audit_verb}", key, changes)
    return True


def revoke_all(*, organization_id: uuid.UUID, actor: Actor, reason: str) -> dict[str, int]:
    """Revoke every active key of an organization and return the count by kind.

    Call it after the organization's status was changed, so that the gate refuses keys that are issued concurrently.
    """
    now = timezone.now()
    values = {
        "revoked_at": now,
        "status_reason": reason[:200],
        "status_changed_by": f"{actor.kind}:{actor.id}",
        "status_changed_at": now,
        "updated_at": now,
    }
    rows = {kind.kind: kind.keys().filter(organization_id=organization_id) for kind in KEY_KINDS.values()}
    revoked = {name: found.live(now).update(**values) for name, found in rows.items()}
    key_check.invalidate_organization(organization_id)
    return revoked


def _change(key: SecretKey, actor: Actor, reason: str, field: str, at: datetime | None) -> bool:
    now = timezone.now()
    values = {
        field: at,
        "status_reason": reason[:200],
        "status_changed_by": f"{actor.kind}:{actor.id}",
        "status_changed_at": now,
        "updated_at": now,
    }
    before = {field: None} if at is not None else {f"{field}__isnull": False}
    changed = type(key).objects.filter(pk=key.pk, **before).update(**values)
    for name, value in values.items():
        setattr(key, name, value)
    key_check.invalidate_key(key.key_prefix, key.key_id)
    return bool(changed)


def rotate(
    key: Key, *, actor: Actor, overlap: timedelta, expires_at: datetime | None, **changed: Any
) -> tuple[Key, str]:
    """Rotate a key and record it: issue a successor with the same settings; the old key expires after the overlap.

    Both share one set of rate limit windows. The old key's expiry is never extended; where the key is itself a
    successor, its predecessor's overlap ends immediately. ``changed``: settings of the new key that differ. Raises
    Conflict where the key is revoked, expired or already replaced.
    """
    require_changeable(key)
    if key.overlap_since is not None or type(key).objects.filter(replaces=key).exists():
        raise Conflict(_("This key was rotated before: rotate the key that replaced it."))
    now, before = timezone.now(), format_timestamp(key.expires_at)
    if key.replaces is not None:
        _end_overlap(key.replaces, now)
    _begin_overlap(key, min(now + overlap, key.expires_at or now + overlap), actor, now)
    copied = {name: getattr(key, name) for name in key.copied_fields()}
    values = {**copied, **changed, "organization_id": key.organization_id, "budget_id": key.budget_id}
    successor, plaintext = issue(type(key), actor=actor, replaces=key, expires_at=expires_at, **values)
    changes = {
        "replaced_by": [None, successor.public_id],
        "expires_at": [before, format_timestamp(key.expires_at)],
    }
    audit.record_change(actor, f"{KEY_KINDS[key.key_prefix].kind}.rotated", key, changes)
    return successor, plaintext


def _begin_overlap(key: SecretKey, expires_at: datetime, actor: Actor, now: datetime) -> None:
    key.overlap_since, key.expires_at, key.updated_at = now, expires_at, now
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
    key_check.invalidate_key(key.key_prefix, key.key_id)


def _end_overlap(predecessor: SecretKey, now: datetime) -> None:
    rows = type(predecessor).objects.filter(pk=predecessor.pk, revoked_at=None, expires_at__gt=now)
    if rows.update(expires_at=now, updated_at=now):
        key_check.invalidate_key(predecessor.key_prefix, predecessor.key_id)


def lifetime_of(key: SecretKey) -> timedelta | None:
    """Return the key's lifetime from creation to expiry, or None where it has no expiry."""
    return None if key.expires_at is None else key.expires_at - key.created_at


def successor_expiry(key: SecretKey, longest_days: int | None) -> datetime | None:
    """Return the expiry of a successor issued now: the old key's lifetime, at most ``longest_days``."""
    lifetime = lifetime_of(key)
    if longest_days is not None:
        lifetime = min(lifetime or timedelta.max, timedelta(days=longest_days))
    return None if lifetime is None else timezone.now() + lifetime

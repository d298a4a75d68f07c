"""Changing and rotating a key. Both need every scope that the key holds."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db import transaction

from apps.api_keys.actions import bounds, rules
from apps.api_keys.actions.audit_and_publish import announce, hold
from apps.api_keys.models import ApiKey
from apps.api_keys.notifications import posting
from apps.base.actor import Actor
from apps.base.permissions import Permission
from apps.base.rest.object_versions import ANY_VERSION, Expected
from apps.base.timestamps import format_timestamp
from apps.credentials.gate import key_check
from apps.credentials.lifecycle import transitions
from apps.credentials.rules import DAY_SECONDS, check_name, check_overlap, parse_networks


@transaction.atomic
def update_key(
    *,
    actor: Actor,
    key_id: str,
    expected: Expected = ANY_VERSION,
    name: str | None = None,
    scopes: Iterable[str] | None = None,
    allowed_networks: Iterable[str] | None = None,
    limits: dict[str, int | None] | None = None,
) -> ApiKey:
    """Change what is given (None: stays) and record old and new; scopes can only become fewer.

    ``limits`` maps a window to calls, None for the type's own figure. Raises Conflict for a key that has ended,
    Forbidden where the actor lacks a scope of the key or, being a key itself, gives more than it has.
    """
    actor.require(Permission.API_KEYS_WRITE)
    key = hold(actor, key_id)
    asked: dict[str, Any] = {}
    if scopes is not None:
        asked["scopes"] = rules.check_scopes(key.key_type, scopes)
        rules.check_fewer(key, asked["scopes"])
    if name is not None:
        asked["name"] = check_name(name)
    if allowed_networks is not None:
        asked["allowed_networks"] = parse_networks(allowed_networks)
    figures = rules.check_limits(key.key_type, limits or {}, actor)
    bounds.check_maker(actor, key.scopes)
    if actor.bounds is not None:
        if allowed_networks is not None:
            bounds.within_networks(actor, asked["allowed_networks"])
        figures = bounds.within_limits(actor, key.key_type, figures, limits or {})
    asked.update({f"limit_{window}": figures[window] for window in limits or {}})
    expected.check(key.version)
    transitions.require_changeable(key)
    _save(actor, key, asked)
    return key


def _save(actor: Actor, key: ApiKey, asked: dict[str, Any]) -> None:
    changes = {field: [getattr(key, field), new] for field, new in asked.items() if getattr(key, field) != new}
    if not changes:
        return
    for field, (_old, new) in changes.items():
        setattr(key, field, new)
    key.save(update_fields=[*changes, "updated_at"])
    key_check.key_changed(key.key_prefix, key.key_id)
    transitions.record(actor, key, "api_key.updated", changes)


@transaction.atomic
def rotate_key(
    *, actor: Actor, key_id: str, expected: Expected = ANY_VERSION, overlap_seconds: int = DAY_SECONDS
) -> tuple[ApiKey, str]:
    """Replace a key by one with the same settings, returned with its text, once; the old one ends later.

    ``overlap_seconds``: 0 (at once) to 30 days, and never past the old key's own end. The new key lives as long as the
    old one was made to, counted from now, within what its type and the organization allow; made by a key, it gets no
    more than that key has. It takes its predecessor's place whatever the cap of the type. Raises Conflict for a key
    that is in overlap or has ended.
    """
    actor.require(Permission.API_KEYS_WRITE)
    overlap = check_overlap(overlap_seconds)
    transitions.lock_creator(actor)
    key = hold(actor, key_id)
    kind = key.key_type
    rules.check_type_may_be_made(actor, kind)
    rules.check_package(actor, kind)
    bounds.check_maker(actor, key.scopes)
    changed: dict[str, Any] = {}
    expires_at = expiry_of_successor(key)
    if actor.bounds is not None:
        bounds.check_maker_type(actor, kind)
        expires_at = bounds.within_expiry(actor, expires_at, None)
        changed = bounds.cut_settings(actor, key)
    expected.check(key.version)
    before = format_timestamp(key.expires_at)
    successor, text = transitions.replace(key, actor=actor, overlap=overlap, expires_at=expires_at, **changed)
    posting.resolve_for(key, posting.EXPIRY, posting.ROTATION, posting.UNUSUAL)
    ends = format_timestamp(key.expires_at)
    transitions.record(
        actor, key, "api_key.rotated", {"replaced_by": [None, successor.public_id], "expires_at": [before, ends]}
    )
    announce(
        successor,
        "api_key.rotated",
        replaces=key.public_id,
        overlap_until=ends,
        expires_at=format_timestamp(expires_at),
    )
    return successor, text


def expiry_of_successor(key: ApiKey) -> datetime | None:
    """Return when a successor made now ends: as long a life as the old key's, within what may be here.

    That is what the type and the organization's settings allow, for the vendor too: nobody asked for more.
    """
    return transitions.successor_expiry(key, rules.longest_days(key.key_type, key.organization_id))

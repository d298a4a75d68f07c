"""Update and rotate a key. Both require that the actor can grant every scope of the key."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db import transaction

from apps.api_keys.actions import grant_limits, rules
from apps.api_keys.actions.audit_and_publish import lock_key, publish_event
from apps.api_keys.models import ApiKey
from apps.api_keys.notifications import posting
from apps.audit import actions as audit
from apps.base.actor import Actor
from apps.base.models import set_values
from apps.base.permissions import Permission
from apps.base.rest.object_versions import ANY_VERSION, ExpectedVersion
from apps.base.timestamps import format_timestamp
from apps.credentials.gate import key_check
from apps.credentials.lifecycle import transitions
from apps.credentials.rules import DAY_SECONDS, check_overlap, parse_networks


@transaction.atomic
def update_key(
    *,
    actor: Actor,
    key_id: str,
    expected: ExpectedVersion = ANY_VERSION,
    scopes: Iterable[str] | None = None,
    allowed_networks: Iterable[str] | None = None,
    limits: dict[str, int | None] | None = None,
    **texts: str | None,
) -> ApiKey:
    """Change the settings that are not None; scopes can only be removed.

    ``limits`` maps a window to a number of requests, None for the type's default; ``texts`` are those of
    ``ApiKey.texts``. Raises Conflict for an expired or revoked key, Forbidden if the actor lacks a scope of the key or,
    being a key itself, grants more than it has.
    """
    actor.require(Permission.API_KEYS_WRITE)
    key = lock_key(actor, key_id)
    requested: dict[str, Any] = {}
    if scopes is not None:
        requested["scopes"] = rules.check_scopes(key.key_type, scopes)
        rules.check_no_added_scopes(key, requested["scopes"])
    requested.update(rules.check_texts(texts))
    if allowed_networks is not None:
        requested["allowed_networks"] = parse_networks(allowed_networks)
    rate_limits = rules.check_limits(key.key_type, limits or {}, actor)
    grant_limits.check_can_grant(actor, key.scopes)
    if actor.grant_limits is not None:
        if allowed_networks is not None:
            grant_limits.cap_networks(actor, requested["allowed_networks"])
        rate_limits = grant_limits.cap_rate_limits(actor, key.key_type, rate_limits, limits or {})
    requested.update({f"limit_{window}": rate_limits[window] for window in limits or {}})
    expected.check(key.version)
    transitions.require_changeable(key)
    if changes := set_values(key, requested):
        key.save(update_fields=[*changes, "updated_at"])
        key_check.invalidate_key(key.key_prefix, key.key_id)
        audit.record_change(actor, "api_key.updated", key, changes)
    return key


@transaction.atomic
def rotate_key(
    *, actor: Actor, key_id: str, expected: ExpectedVersion = ANY_VERSION, overlap_seconds: int = DAY_SECONDS
) -> tuple[ApiKey, str]:
    """Replace a key by one with the same settings and return the new key with its secret, which is not stored.

    ``overlap_seconds``: how long the old key still works, 0 to 30 days, but never past its own expiry. The new key
    gets the lifetime that the old one was created with, within the limits of its type and organization; if a key
    rotates it, also within those of that key. The type's cap does not apply. Raises Conflict for a key that is in
    overlap, expired or revoked.
    """
    actor.require(Permission.API_KEYS_WRITE)
    overlap = check_overlap(overlap_seconds)
    transitions.lock_creator(actor)
    key = lock_key(actor, key_id)
    key_type = key.key_type
    rules.check_may_create_type(actor, key_type)
    rules.check_not_disabled(actor, key_type)
    grant_limits.check_can_grant(actor, key.scopes)
    changed: dict[str, Any] = {}
    expires_at = expiry_of_successor(key)
    if actor.grant_limits is not None:
        grant_limits.check_can_grant_type(actor, key_type)
        expires_at = grant_limits.cap_expiry(actor, expires_at, None)
        changed = grant_limits.cap_rotated_settings(actor, key)
    expected.check(key.version)
    successor, plaintext = transitions.rotate(key, actor=actor, overlap=overlap, expires_at=expires_at, **changed)
    posting.resolve_for(key, posting.EXPIRY, posting.ROTATION, posting.UNUSUAL)
    publish_event(
        successor,
        "api_key.rotated",
        replaces=key.public_id,
        overlap_until=format_timestamp(key.expires_at),
        expires_at=format_timestamp(expires_at),
    )
    return successor, plaintext


def expiry_of_successor(key: ApiKey) -> datetime | None:
    """Return the expiry of a successor created now: the old key's lifetime, limited by type and organization.

    The organization's limit applies to operators too, because a rotation requests no particular lifetime.
    """
    return transitions.successor_expiry(key, rules.max_lifetime_days(key.key_type, key.organization_id))

"""Ending, disabling and setting aside a key, and taking that back. Asking twice changes and records nothing."""

from typing import Any

from django.db import transaction

from apps.api_keys.actions import bounds
from apps.api_keys.actions.telling import announce, check_reason, hold, record
from apps.api_keys.alerts import stories
from apps.api_keys.models import ApiKey
from apps.base.actor import Actor
from apps.base.permissions import Permission
from apps.credentials import lifecycle


@transaction.atomic
def revoke_key(*, actor: Actor, key_id: str, reason: str = "") -> ApiKey:
    """This will end a key for good; Conflict for one that has expired."""
    actor.require(Permission.API_KEYS_WRITE)
    key, reason = hold(actor, key_id), check_reason(reason)
    before = key.status
    if lifecycle.revoke(key, actor=actor, reason=reason):
        stories.resolve_for(key)
        _record(actor, key, "api_key.revoked", before, reason)
        announce(key, "api_key.revoked", **({"reason": reason} if reason else {}))
    return key


@transaction.atomic
def disable_key(*, actor: Actor, key_id: str, reason: str = "") -> ApiKey:
    """This will switch a key off until somebody enables it; Conflict for one that has ended."""
    actor.require(Permission.API_KEYS_WRITE)
    key, reason = hold(actor, key_id), check_reason(reason)
    before = key.status
    if lifecycle.disable(key, actor=actor, reason=reason):
        _record(actor, key, "api_key.disabled", before, reason)
    return key


@transaction.atomic
def enable_key(*, actor: Actor, key_id: str) -> ApiKey:
    """This will switch a disabled key on again; needs every scope of the key."""
    actor.require(Permission.API_KEYS_WRITE)
    key = hold(actor, key_id)
    bounds.check_maker(actor, key.scopes)
    before = key.status
    if lifecycle.enable(key, actor=actor):
        _record(actor, key, "api_key.enabled", before)
    return key


@transaction.atomic
def quarantine_key(*, actor: Actor, key_id: str, reason: str = "") -> ApiKey:
    """This will set a key aside: it reads, from addresses that it was used from before, and no more."""
    actor.require(Permission.API_KEYS_WRITE)
    key, reason = hold(actor, key_id), check_reason(reason)
    before = key.status
    if lifecycle.quarantine(key, actor=actor, reason=reason):
        _record(actor, key, "api_key.quarantined", before, reason)
    return key


@transaction.atomic
def release_key(*, actor: Actor, key_id: str) -> ApiKey:
    """This will take a key out of quarantine; needs every scope of the key."""
    actor.require(Permission.API_KEYS_WRITE)
    key = hold(actor, key_id)
    bounds.check_maker(actor, key.scopes)
    before = key.status
    if lifecycle.release(key, actor=actor):
        stories.resolve_for(key, stories.LEAK)
        _record(actor, key, "api_key.released", before)
    return key


def _record(actor: Actor, key: ApiKey, action: str, before: str, reason: str | None = None) -> None:
    changes: dict[str, list[Any]] = {"status": [str(before), str(key.status)]}
    if reason is not None:
        changes["reason"] = [None, reason]
    record(actor, key, action, changes)

"""Ending, disabling and setting aside a key, and taking that back. Asking twice changes and records nothing."""

from collections.abc import Callable
from typing import Any

from django.db import transaction

from apps.api_keys.actions import bounds
from apps.api_keys.actions.telling import announce, hold
from apps.api_keys.alerts import stories
from apps.api_keys.models import ApiKey
from apps.base.actor import Actor
from apps.base.permissions import Permission
from apps.base.versions import ANYTHING, Expected
from apps.credentials import lifecycle
from apps.credentials.rules import check_reason


@transaction.atomic
def revoke_key(
    *,
    actor: Actor,
    key_id: str,
    expected: Expected = ANYTHING,
    reason: str = "",
    successors: bool | None = None,
) -> ApiKey:
    """End a key for good, with what it made by rotating itself; Conflict for one that has expired and made nothing.

    ``successors``: whether those are revoked too. Unless it is said they are, but for a key of theirs that asks: it
    rotated itself and ends the old key, as it should.
    """
    actor.require(Permission.API_KEYS_WRITE)
    key, reason = hold(actor, key_id), check_reason(reason)
    expected.check(key.version)
    chain = [] if successors is False else lifecycle.own_successors(key)
    if successors is None and actor.id in (key.public_id, *(each.public_id for each in chain)):
        chain = []
    if not (chain and key.has_ended):
        _revoke(actor, key, reason)
    for successor in chain:
        _revoke(actor, hold(actor, successor.public_id), reason)
    return key


def _revoke(actor: Actor, key: ApiKey, reason: str) -> None:
    before = key.status
    if lifecycle.revoke(key, actor=actor, reason=reason):
        stories.resolve_for(key)
        _record(actor, key, "api_key.revoked", before, reason)
        announce(key, "api_key.revoked", **({"reason": reason} if reason else {}))


@transaction.atomic
def disable_key(*, actor: Actor, key_id: str, expected: Expected = ANYTHING, reason: str = "") -> ApiKey:
    """This will switch a key off until somebody enables it; Conflict for one that has ended."""
    return _set_aside(actor, key_id, expected, reason, lifecycle.disable, "api_key.disabled")


@transaction.atomic
def enable_key(*, actor: Actor, key_id: str, expected: Expected = ANYTHING) -> ApiKey:
    """This will switch a disabled key on again; needs every scope of the key."""
    key, _is_changed = _take_back(actor, key_id, expected, lifecycle.enable, "api_key.enabled")
    return key


@transaction.atomic
def quarantine_key(*, actor: Actor, key_id: str, reason: str = "", successors: bool = True) -> ApiKey:
    """Set a key aside, with what it made by rotating itself: they read, from addresses used before, and no more."""
    key = _set_aside(actor, key_id, ANYTHING, reason, lifecycle.quarantine, "api_key.quarantined")
    for successor in lifecycle.own_successors(key) if successors else ():
        _set_aside(actor, successor.public_id, ANYTHING, reason, lifecycle.quarantine, "api_key.quarantined")
    return key


@transaction.atomic
def release_key(*, actor: Actor, key_id: str, expected: Expected = ANYTHING) -> ApiKey:
    """This will take a key out of quarantine; needs every scope of the key."""
    key, is_changed = _take_back(actor, key_id, expected, lifecycle.release, "api_key.released")
    if is_changed:
        stories.resolve_for(key, stories.LEAK)
    return key


def _set_aside(
    actor: Actor, key_id: str, expected: Expected, reason: str, change: Callable[..., bool], action: str
) -> ApiKey:
    actor.require(Permission.API_KEYS_WRITE)
    key, reason = hold(actor, key_id), check_reason(reason)
    expected.check(key.version)
    before = key.status
    if change(key, actor=actor, reason=reason):
        _record(actor, key, action, before, reason)
    return key


def _take_back(
    actor: Actor, key_id: str, expected: Expected, change: Callable[..., bool], action: str
) -> tuple[ApiKey, bool]:
    """Undo what set a key aside, and tell whether it was; who does so gives the key back all that it holds."""
    actor.require(Permission.API_KEYS_WRITE)
    key = hold(actor, key_id)
    bounds.check_maker(actor, key.scopes)
    expected.check(key.version)
    before = key.status
    is_changed = change(key, actor=actor)
    if is_changed:
        _record(actor, key, action, before)
    return key, is_changed


def _record(actor: Actor, key: ApiKey, action: str, before: str, reason: str | None = None) -> None:
    changes: dict[str, list[Any]] = {"status": [str(before), str(key.status)]}
    if reason is not None:
        changes["reason"] = [None, reason]
    lifecycle.record(actor, key, action, changes)

"""Revoke, disable, enable, quarantine and release a key. Repeating a change has no effect."""

from functools import partial
from typing import Any

from django.db import transaction

from apps.api_keys.actions import bounds
from apps.api_keys.actions.audit_and_publish import announce, lock_key
from apps.api_keys.models import ApiKey
from apps.api_keys.notifications import posting
from apps.audit import actions as audit
from apps.base.actor import Actor
from apps.base.permissions import Permission
from apps.base.rest.object_versions import ANY_VERSION, Expected
from apps.credentials.key_status import CHANGES
from apps.credentials.lifecycle import transitions
from apps.credentials.rules import check_reason


@transaction.atomic
def revoke_key(
    *,
    actor: Actor,
    key_id: str,
    expected: Expected = ANY_VERSION,
    reason: str = "",
    successors: bool | None = None,
) -> ApiKey:
    """Revoke a key permanently; raise Conflict for an expired one without self-rotated successors.

    ``successors``: whether the keys that it created by rotating itself are revoked too. None: yes, unless the actor
    is the key or one of them, which completes its rotation by revoking the old key.
    """
    actor.require(Permission.API_KEYS_WRITE)
    key, reason = lock_key(actor, key_id), check_reason(reason)
    expected.check(key.version)
    chain = [] if successors is False else transitions.own_successors(key)
    if successors is None and actor.id in (key.public_id, *(each.public_id for each in chain)):
        chain = []
    if not (chain and key.has_ended):
        _revoke(actor, key, reason)
    for successor in chain:
        _revoke(actor, lock_key(actor, successor.public_id), reason)
    return key


def _revoke(actor: Actor, key: ApiKey, reason: str) -> None:
    before = key.status
    if transitions.change(key, "revoke", actor=actor, reason=reason):
        posting.resolve_for(key)
        _record(actor, key, "api_key.revoked", before, reason)
        announce(key, "api_key.revoked", **({"reason": reason} if reason else {}))


@transaction.atomic
def change_key(
    name: str,
    *,
    actor: Actor,
    key_id: str,
    expected: Expected = ANY_VERSION,
    reason: str = "",
    successors: bool | None = None,
) -> ApiKey:
    """Apply a change of ``CHANGES``; raise Conflict for an expired or revoked key.

    Changes that lift a state (enable, release) ignore the reason. ``successors``: False leaves self-rotated
    successors as they are, where the change would spread to them.
    """
    if name == "revoke":
        return revoke_key(actor=actor, key_id=key_id, expected=expected, reason=reason, successors=successors)
    key = _change(actor, key_id, name, expected, reason)
    for successor in transitions.own_successors(key) if CHANGES[name].spreads and successors is not False else ():
        _change(actor, successor.public_id, name, ANY_VERSION, reason)
    return key


disable_key, enable_key, release_key = (partial(change_key, name) for name in ("disable", "enable", "release"))


def _change(actor: Actor, key_id: str, name: str, expected: Expected, reason: str) -> ApiKey:
    """Apply any change but a revocation; lifting a state requires that the actor can grant all scopes of the key."""
    actor.require(Permission.API_KEYS_WRITE)
    key, wanted, recorded = lock_key(actor, key_id), CHANGES[name], None
    if wanted.sets:
        recorded = check_reason(reason)
    else:
        bounds.check_can_grant(actor, key.scopes)
    expected.check(key.version)
    before = key.status
    if transitions.change(key, name, actor=actor, reason=recorded or ""):
        _record(actor, key, f"api_key.{wanted.done}", before, recorded)
        if name == "release":
            posting.resolve_for(key, posting.LEAK)
    return key


def _record(actor: Actor, key: ApiKey, action: str, before: str, reason: str | None = None) -> None:
    changes: dict[str, list[Any]] = {"status": [str(before), str(key.status)]}
    if reason is not None:
        changes["reason"] = [None, reason]
    audit.record_change(actor, action, key, changes)

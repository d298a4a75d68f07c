"""Ending, disabling and setting aside a key, and taking that back. Asking twice changes and records nothing."""

from functools import partial
from typing import Any

from django.db import transaction

from apps.api_keys.actions import bounds
from apps.api_keys.actions.audit_and_publish import announce, hold
from apps.api_keys.models import ApiKey
from apps.api_keys.notifications import posting
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
    """End a key for good, with what it made by rotating itself; Conflict for one that has expired and made nothing.

    ``successors``: whether those are revoked too. Unless it is said they are, but for a key of theirs that asks: it
    rotated itself and ends the old key, as it should.
    """
    actor.require(Permission.API_KEYS_WRITE)
    key, reason = hold(actor, key_id), check_reason(reason)
    expected.check(key.version)
    chain = [] if successors is False else transitions.own_successors(key)
    if successors is None and actor.id in (key.public_id, *(each.public_id for each in chain)):
        chain = []
    if not (chain and key.has_ended):
        _revoke(actor, key, reason)
    for successor in chain:
        _revoke(actor, hold(actor, successor.public_id), reason)
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
    """Make a change of ``CHANGES``; Conflict for a key that has ended. What takes a state back takes no reason.

    ``successors``: whether what the key made by rotating itself is changed with it, where such a change spreads.
    """
    if name == "revoke":
        return revoke_key(actor=actor, key_id=key_id, expected=expected, reason=reason, successors=successors)
    key = _change(actor, key_id, name, expected, reason)
    for successor in transitions.own_successors(key) if CHANGES[name].spreads and successors is not False else ():
        _change(actor, successor.public_id, name, ANY_VERSION, reason)
    return key


disable_key, enable_key, release_key = (partial(change_key, name) for name in ("disable", "enable", "release"))


def _change(actor: Actor, key_id: str, name: str, expected: Expected, reason: str) -> ApiKey:
    """Make a change but for a revocation; who takes a state back gives the key all that it holds, and must hold it."""
    actor.require(Permission.API_KEYS_WRITE)
    key, wanted, told = hold(actor, key_id), CHANGES[name], None
    if wanted.sets:
        told = check_reason(reason)
    else:
        bounds.check_maker(actor, key.scopes)
    expected.check(key.version)
    before = key.status
    if transitions.change(key, name, actor=actor, reason=told or ""):
        _record(actor, key, f"api_key.{wanted.done}", before, told)
        if name == "release":
            posting.resolve_for(key, posting.LEAK)
    return key


def _record(actor: Actor, key: ApiKey, action: str, before: str, reason: str | None = None) -> None:
    changes: dict[str, list[Any]] = {"status": [str(before), str(key.status)]}
    if reason is not None:
        changes["reason"] = [None, reason]
    transitions.record(actor, key, action, changes)

"""Revoke, disable, enable, quarantine and release a key. Repeating a change has no effect."""

from functools import partial

from django.db import transaction

from apps.api_keys.actions import grant_limits
from apps.api_keys.actions.audit_and_publish import lock_key, publish_event
from apps.api_keys.models import ApiKey
from apps.api_keys.notifications import posting
from apps.base.actor import Actor
from apps.base.permissions import Permission
from apps.base.rest.object_versions import ANY_VERSION, ExpectedVersion
from apps.credentials.key_status import CHANGES
from apps.credentials.lifecycle import transitions
from apps.credentials.rules import check_reason


@transaction.atomic
def revoke_key(
    *,
    actor: Actor,
    key_id: str,
    expected: ExpectedVersion = ANY_VERSION,
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
    chain = [] if successors is False else transitions.self_issued_successors(key)
    if successors is None and actor.id in (key.public_id, *(each.public_id for each in chain)):
        chain = []
    if not (chain and key.is_revoked_or_expired):
        _change(actor, key, "revoke", reason)
    for successor in chain:
        _change(actor, lock_key(actor, successor.public_id), "revoke", reason)
    return key


@transaction.atomic
def change_key(
    name: str,
    *,
    actor: Actor,
    key_id: str,
    expected: ExpectedVersion = ANY_VERSION,
    reason: str = "",
    successors: bool | None = None,
) -> ApiKey:
    """Apply a change of ``CHANGES``; raise Conflict for an expired or revoked key.

    Changes that lift a state (enable, release) ignore the reason, and require that the actor can grant all scopes of
    the key. ``successors``: False leaves the keys that it created by rotating itself as they are, also where the change
    includes successors.
    """
    if name == "revoke":
        return revoke_key(actor=actor, key_id=key_id, expected=expected, reason=reason, successors=successors)
    actor.require(Permission.API_KEYS_WRITE)
    key = lock_key(actor, key_id)
    if not CHANGES[name].sets_column:
        grant_limits.check_can_grant(actor, key.scopes)
    _change(actor, key, name, reason, expected)
    for successor in (
        transitions.self_issued_successors(key) if CHANGES[name].includes_successors and successors is not False else ()
    ):
        _change(actor, lock_key(actor, successor.public_id), name, reason)
    return key


disable_key, enable_key, release_key = (partial(change_key, name) for name in ("disable", "enable", "release"))


def _change(actor: Actor, key: ApiKey, name: str, reason: str, expected: ExpectedVersion = ANY_VERSION) -> None:
    if not transitions.change(key, name, actor=actor, expected=expected, reason=reason):
        return
    if name == "revoke":
        posting.resolve_for(key)
        publish_event(key, "api_key.revoked", **({"reason": key.status_reason} if key.status_reason else {}))
    elif name == "release":
        posting.resolve_for(key, posting.LEAK)

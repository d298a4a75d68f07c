"""Ending, disabling and setting aside an SDK key, and taking that back. Asking twice changes and records nothing."""

from collections.abc import Callable
from typing import Any

from django.db import transaction

from apps.base.actor import Actor
from apps.base.permissions import Permission
from apps.base.versions import ANYTHING, Expected
from apps.credentials import lifecycle
from apps.credentials.rules import check_reason
from apps.notices import actions as notices
from apps.sdk_keys import slots
from apps.sdk_keys.models import SdkKey
from apps.sdk_keys.telling import announce, record


def hold(actor: Actor, key_id: str) -> SdkKey:
    """This will return an SDK key of the actor's organization and its pool, held until the transaction ends.

    The pool first, as a device does that takes a place: two orders of locks would wait for each other. Raises NotFound.
    """
    pool = slots.hold_pool(SdkKey.objects.for_actor(actor).with_public_id(key_id).pool_id)
    key: SdkKey = lifecycle.locked(SdkKey.objects.for_actor(actor).select_related("replaces"), key_id)
    key.pool = pool
    return key


@transaction.atomic
def revoke_sdk_key(*, actor: Actor, key_id: str, expected: Expected = ANYTHING, reason: str = "") -> SdkKey:
    """This will end a key for good; Conflict for one that has expired. Its devices stop at their next call."""
    key, is_changed = _change(actor, key_id, lifecycle.revoke, "sdk_key.revoked", expected, reason)
    if is_changed:
        notices.resolve(organization_id=key.organization_id, dedupe_prefix=f"{key.public_id}:")
        announce(key, "sdk_key.revoked", **({"reason": key.status_reason} if key.status_reason else {}))
    return key


@transaction.atomic
def disable_sdk_key(*, actor: Actor, key_id: str, expected: Expected = ANYTHING, reason: str = "") -> SdkKey:
    """This will switch a key off until somebody enables it; Conflict for one that has ended."""
    return _change(actor, key_id, lifecycle.disable, "sdk_key.disabled", expected, reason)[0]


@transaction.atomic
def enable_sdk_key(*, actor: Actor, key_id: str, expected: Expected = ANYTHING) -> SdkKey:
    """This will switch a disabled key on again."""
    return _change(actor, key_id, lifecycle.enable, "sdk_key.enabled", expected)[0]


@transaction.atomic
def quarantine_sdk_key(*, actor: Actor, key_id: str, reason: str = "") -> SdkKey:
    """This will set a key aside: devices that have a place go on from addresses seen before, no new one gets one."""
    return _change(actor, key_id, lifecycle.quarantine, "sdk_key.quarantined", ANYTHING, reason)[0]


@transaction.atomic
def release_sdk_key(*, actor: Actor, key_id: str, expected: Expected = ANYTHING) -> SdkKey:
    """This will take a key out of quarantine."""
    return _change(actor, key_id, lifecycle.release, "sdk_key.released", expected)[0]


def _change(
    actor: Actor, key_id: str, change: Callable[..., bool], action: str, expected: Expected, reason: str | None = None
) -> tuple[SdkKey, bool]:
    actor.require(Permission.SDK_KEYS_WRITE)
    key = hold(actor, key_id)
    told = {} if reason is None else {"reason": check_reason(reason)}
    expected.check(key.version)
    before = key.status
    is_changed = change(key, actor=actor, **told)
    if is_changed:
        changes: dict[str, list[Any]] = {name: [None, text] for name, text in told.items()}
        changes["status"] = [str(before), str(key.status)]
        record(actor, key, action, changes)
    return key, is_changed

"""Actions on SDK keys, including leak reports and the revocation of keys by their creator."""

import uuid
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any, cast

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from apps.audit import actions as audit
from apps.base.actor import Actor
from apps.base.extension_points.descendants import Descendant, describe
from apps.base.models import set_values
from apps.base.permissions import Permission
from apps.base.rest.object_versions import ANY_VERSION, ExpectedVersion
from apps.credentials.gate import key_check
from apps.credentials.key_status import CHANGES
from apps.credentials.lifecycle import transitions
from apps.credentials.rules import DAY_SECONDS, Lifetime, check_name, check_overlap
from apps.notices import actions as notices
from apps.notices.models import Severity
from apps.sdk_keys import device_limit
from apps.sdk_keys.actions import app_rules
from apps.sdk_keys.audit_and_publish import publish_event
from apps.sdk_keys.models import DEFAULT_INACTIVE_DAYS, Activation, ActivationPool, SdkKey

NO_CONSEQUENCE = "none"
LEAK_REASON = "Reported as leaked"


@dataclass(frozen=True, slots=True)
class NewSdkKey:
    """The settings of a new SDK key. ``activation_limit``: devices; None for no limit, also for inactive days."""

    name: str
    platform: str
    app_id: str | None = None
    cert_sha256: str | None = None
    origins: Iterable[str] | None = None
    activation_limit: int | None = None
    inactive_after_days: int | None = DEFAULT_INACTIVE_DAYS
    lifetime: Lifetime = field(default_factory=Lifetime)


@transaction.atomic
def create_sdk_key(*, actor: Actor, new: NewSdkKey) -> tuple[SdkKey, str]:
    """Create an SDK key with an empty pool of activations and return it with the key in plain text."""
    actor.require(Permission.SDK_KEYS_WRITE)
    transitions.lock_creator(actor)
    platform = app_rules.check_platform(new.platform)
    values: dict[str, Any] = {
        "name": check_name(new.name),
        "platform": platform,
        "app_id": app_rules.check_app_id(platform, new.app_id),
        "cert_sha256": app_rules.check_certificate(platform, new.cert_sha256),
        "origins": app_rules.check_origins(platform, new.origins),
        "expires_at": app_rules.check_lifetime(actor, new.lifetime),
    }
    pool = ActivationPool.objects.create(
        organization_id=cast(uuid.UUID, actor.organization_id),
        activation_limit=app_rules.check_activation_limit(new.activation_limit),
        inactive_after_days=app_rules.check_inactive_days(new.inactive_after_days),
    )
    key, plaintext = transitions.issue(SdkKey, actor=actor, pool=pool, **values)
    changes = {name: [None, value] for name, value in values.items() if value not in ("", [], None)}
    changes["activation_limit"] = [None, pool.activation_limit]
    changes["inactive_after_days"] = [None, pool.inactive_after_days]
    audit.record_change(actor, "sdk_key.created", key, changes)
    publish_event(key, "sdk_key.created", app_id=key.app_id or None, activation_limit=pool.activation_limit)
    return key, plaintext


def lock_key_and_pool(actor: Actor, key_id: str) -> SdkKey:
    """Return an SDK key of the actor's organization with its pool, both locked, or raise NotFound.

    The pool is locked first, as when a device is activated: another lock order could deadlock.
    """
    pool = device_limit.lock_pool(SdkKey.objects.for_actor(actor).with_public_id(key_id).pool_id)
    key: SdkKey = transitions.lock_key(SdkKey.objects.for_actor(actor).select_related("replaces"), key_id)
    key.pool = pool
    return key


@transaction.atomic
def update_sdk_key(*, actor: Actor, key_id: str, expected: ExpectedVersion = ANY_VERSION, **asked: Any) -> SdkKey:
    """Change the given settings and record old and new values.

    A limit below the number of active devices keeps them active and refuses new ones. Raises Conflict for a revoked or
    expired key.
    """
    actor.require(Permission.SDK_KEYS_WRITE)
    key = lock_key_and_pool(actor, key_id)
    key_changes, pool_changes = _validated(key, asked)
    expected.check(key.version)
    transitions.require_changeable(key)
    changes = _apply_changes(key, key_changes) | _apply_changes(key.pool, pool_changes)
    if changes:
        audit.record_change(actor, "sdk_key.updated", key, changes)
        key_check.invalidate_key(key.key_prefix, key.key_id)
    if "inactive_after_days" in changes:
        _update_expiries(key.pool)
    return key


def _validated(key: SdkKey, asked: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the validated changes of the key and of its pool."""
    platform = app_rules.check_platform(key.platform)
    key_changes: dict[str, Any] = {}
    if "name" in asked:
        key_changes["name"] = check_name(asked["name"])
    if "app_id" in asked:
        key_changes["app_id"] = app_rules.check_app_id(platform, asked["app_id"])
    if "cert_sha256" in asked:
        key_changes["cert_sha256"] = app_rules.check_certificate(platform, asked["cert_sha256"])
    if "origins" in asked:
        key_changes["origins"] = app_rules.check_origins(platform, asked["origins"])
    pool_changes: dict[str, Any] = {}
    if "activation_limit" in asked:
        pool_changes["activation_limit"] = app_rules.check_activation_limit(asked["activation_limit"])
    if "inactive_after_days" in asked:
        pool_changes["inactive_after_days"] = app_rules.check_inactive_days(asked["inactive_after_days"])
    return key_changes, pool_changes


def _apply_changes(row: SdkKey | ActivationPool, values: dict[str, Any]) -> dict[str, list[Any]]:
    if changes := set_values(row, values):
        row.save(update_fields=[*changes, "updated_at"])
    if "activation_limit" in changes:
        ActivationPool.objects.filter(pk=row.pk).update(full_since=None)
    return changes


def _update_expiries(pool: ActivationPool) -> None:
    days = pool.inactive_after_days
    expires_at = None if days is None else F("last_seen_at") + timedelta(days=days)
    Activation.objects.filter(pool=pool).active().update(expires_at=expires_at)


@transaction.atomic
def rotate_sdk_key(
    *, actor: Actor, key_id: str, expected: ExpectedVersion = ANY_VERSION, overlap_seconds: int = DAY_SECONDS
) -> tuple[SdkKey, str]:
    """Replace a key by one with the same settings, returned with the key in plain text; the old one expires later.

    Both share their activations, so devices stay active when they switch keys. ``overlap_seconds``: up to 30 days.
    The new key has the old one's lifetime, up to the organization's maximum. Raises Conflict for a key that is revoked,
    expired or already replaced.
    """
    actor.require(Permission.SDK_KEYS_WRITE)
    overlap = check_overlap(overlap_seconds)
    transitions.lock_creator(actor)
    key = lock_key_and_pool(actor, key_id)
    expected.check(key.version)
    expires_at = app_rules.expiry_of_successor(key)
    return transitions.rotate(key, actor=actor, overlap=overlap, expires_at=expires_at)


@transaction.atomic
def change_sdk_key(
    name: str, *, actor: Actor, key_id: str, expected: ExpectedVersion = ANY_VERSION, reason: str = ""
) -> SdkKey:
    """Apply a change of ``CHANGES``; Conflict for a revoked or expired key. A reason is recorded when a state is set.

    Devices of a revoked or disabled key are refused from the next request on. Those of a quarantined key keep working
    from addresses used before, and no device can be activated.
    """
    actor.require(Permission.SDK_KEYS_WRITE)
    key = lock_key_and_pool(actor, key_id)
    if transitions.change(key, name, actor=actor, expected=expected, reason=reason) and name == "revoke":
        notices.resolve(organization_id=key.organization_id, dedupe_prefix=f"{key.public_id}:")
        publish_event(key, "sdk_key.revoked", **({"reason": key.status_reason} if key.status_reason else {}))
    return key


revoke_sdk_key, disable_sdk_key, enable_sdk_key, release_sdk_key = (
    partial(change_sdk_key, name) for name in ("revoke", "disable", "enable", "release")
)


@transaction.atomic
def report_leak(*, actor: Actor, key_id: str, where: str = "") -> bool:
    """Apply the organization's leak policy to a key; return False where it was already reported today.

    ``actor``: the system actor with the reporter's address. ``where``: the location, without secrets.
    """
    key = lock_key_and_pool(actor, key_id)
    dedupe_key = f"{key.public_id}:leak:{timezone.now():%Y-%m-%d}"
    if notices.was_notified(organization_id=key.organization_id, dedupe_key=dedupe_key):
        return False
    consequence = NO_CONSEQUENCE if key.is_revoked_or_expired else str(key.organization.leak_policy)
    audit.record_change(actor, "sdk_key.leaked", key, {"where": [None, where], "consequence": [None, consequence]})
    if consequence in CHANGES:
        change_sdk_key(consequence, actor=actor, key_id=key.public_id, reason=LEAK_REASON)
    notices.notify(
        organization_id=key.organization_id,
        kind=f"sdk_key.leaked_{CHANGES[consequence].audit_verb}" if consequence in CHANGES else "sdk_key.leaked",
        dedupe_key=dedupe_key,
        severity=Severity.BAD,
        params={"name": key.name, "mask": key.mask, "where": where or "–"},
        path=f"settings/integration/sdk-keys/{key.public_id}/",
        permission=Permission.SDK_KEYS_WRITE,
        mail=consequence != NO_CONSEQUENCE,
    )
    if consequence == NO_CONSEQUENCE:
        notices.resolve(organization_id=key.organization_id, dedupe_prefix=dedupe_key)
    return True


def find_descendants(organization_id: uuid.UUID, creators: Collection[str]) -> list[Descendant]:
    """Return the keys that these users or keys created, also by rotation."""
    rows = SdkKey.objects.filter(organization_id=organization_id, created_by_id__in=creators)
    return [
        describe("sdk_key", key, name=key.name, status=str(key.status), is_active=not key.is_revoked_or_expired)
        for key in rows
    ]


def revoke_descendant(*, actor: Actor, id: str, reason: str) -> None:
    """Revoke a key by its public id."""
    revoke_sdk_key(actor=actor, key_id=id, reason=reason)


# Keyed by the last words of the routes.
KEY_ACTIONS: dict[str, Callable[..., Any]] = {
    "create": create_sdk_key,
    "update": update_sdk_key,
    "rotate": rotate_sdk_key,
    "disable": disable_sdk_key,
    "enable": enable_sdk_key,
    "release": release_sdk_key,
    "revoke": revoke_sdk_key,
}

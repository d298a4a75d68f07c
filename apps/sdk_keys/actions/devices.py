"""Actions on devices: activate, heartbeat, and deactivation by the device or by a member."""

import uuid
from dataclasses import dataclass

from django.db import transaction
from django.utils import timezone

from apps.base.actor import Actor
from apps.base.crypto.secrets import current_pepper
from apps.base.errors import Conflict, Forbidden, NotFound
from apps.base.identifiers import decode
from apps.base.permissions import Permission
from apps.credentials.gate import rate_limits
from apps.credentials.gate.rate_limits import Window
from apps.sdk_keys import device_limit
from apps.sdk_keys.audit_and_publish import publish_event, record_and_publish_device
from apps.sdk_keys.device_identity import device_digest, device_digests, new_token, token_matches
from apps.sdk_keys.key_query import SdkRow
from apps.sdk_keys.models import Activation, ActivationPool, DeactivationReason, SdkKey

PER_DEVICE = 60  # requests per minute from one device


@dataclass(frozen=True, slots=True)
class Device:
    """A device as its app describes it."""

    device_id: str
    app_version: str = ""
    os_version: str = ""


def consume_rate_limit(pool_id: uuid.UUID, digest: str) -> rate_limits.Decision:
    """Count a request on the limit of one device and return the decision."""
    return rate_limits.consume([Window("device", f"d:{pool_id.hex}:{digest[:32]}", PER_DEVICE, 60)])


def activate(*, actor: Actor, row: SdkRow, device: Device) -> tuple[Activation, str, bool]:
    """Activate a device; return the activation, its token (not stored) and whether it is new.

    A device that is already active keeps its activation, and versions that it does not report; it gets a new token that
    replaces the old one. Raises Conflict ``activation_limit_reached`` at the device limit, which is exact under
    concurrency; RateLimited for a device with too many activations within a day; Forbidden for a new device of a
    restricted key.
    """
    with transaction.atomic():
        activated = _activate(actor, row, device)
        if activated is None:
            _announce_limit_reached(SdkKey.objects.select_related("pool").get(pk=row.pk))
    if activated is None:
        # Raised after the commit, so that the event is published despite the error.
        raise Conflict("Every activation of this key is taken.", "activation_limit_reached")
    return activated


def _activate(actor: Actor, row: SdkRow, device: Device) -> tuple[Activation, str, bool] | None:
    pool = device_limit.lock_pool(row.pool_id)
    now = timezone.now()
    digests = device_digests(pool.pk, device.device_id)
    token, token_digest = new_token()
    values = {
        "key_id": row.pk, "token_digest": token_digest, "last_seen_at": now, "last_seen_from": actor.address,
        "expires_at": device_limit.expiry_for(pool, now), "device_digest": device_digest(pool.pk, device.device_id),
        "pepper_id": current_pepper(), **_reported_versions(device.app_version, device.os_version),
    }  # fmt: skip
    existing = Activation.objects.filter(pool=pool, device_digest__in=digests).active().first()
    if existing is not None:
        for name, value in values.items():
            setattr(existing, name, value)
        existing.save(update_fields=list(values))
        return existing, token, False
    if row.restriction is not None:
        raise Forbidden(row.restriction.activation_error, row.restriction.code)
    if device_limit.is_full(pool):
        device_limit.deactivate_inactive(pool, now)
    if device_limit.is_full(pool):
        return None
    device_limit.check_churn(pool, digests, now)
    activation = Activation.objects.create(pool=pool, organization_id=pool.organization_id, created_at=now, **values)
    pool.active_count += 1
    pool.save(update_fields=["active_count"])
    record_and_publish_device(actor, activation, "sdk_key.activated")
    return activation, token, True


def _reported_versions(app_version: str, os_version: str) -> dict[str, str]:
    """Return the versions that a device reports, without those that it leaves out."""
    versions = {"app_version": app_version, "os_version": os_version}
    return {name: text for name, text in versions.items() if text}


def _announce_limit_reached(key: SdkKey) -> None:
    """Publish that the device limit is reached, once until a device is deactivated."""
    is_first = ActivationPool.objects.filter(pk=key.pool_id, full_since=None).update(full_since=timezone.now())
    if is_first:
        publish_event(key, "sdk_key.limit_reached", activation_limit=key.pool.activation_limit)


def find_activation(row: SdkRow, activation_id: str) -> Activation:
    """Return an active activation of the key's pool, or raise NotFound."""
    pk = decode(Activation.id_prefix, activation_id)
    rows = Activation.objects.filter(pool_id=row.pool_id).active().select_related("key")
    found = rows.filter(pk=pk).first() if pk is not None else None
    if found is None:
        raise NotFound()
    return found


def check_token(activation: Activation, token: str) -> None:
    """Raise Forbidden unless the token is the activation's current one."""
    if not token or not token_matches(token, activation.token_digest):
        raise Forbidden("Send this activation's own token in X-Activation-Token; activating again gives a new one.")


@transaction.atomic
def record_heartbeat(
    *, actor: Actor, activation: Activation, app_version: str = "", os_version: str = ""
) -> Activation:
    """Record that a device is in use; raise NotFound where it was deactivated concurrently."""
    now = timezone.now()
    pool = activation.pool
    values = {
        "last_seen_at": now, "last_seen_from": actor.address, "expires_at": device_limit.expiry_for(pool, now),
        **_reported_versions(app_version, os_version),
    }  # fmt: skip
    rows = Activation.objects.filter(pk=activation.pk, token_digest=activation.token_digest).active()
    if not rows.update(**values):
        raise NotFound()
    for name, value in values.items():
        setattr(activation, name, value)
    return activation


@transaction.atomic
def deactivate_own_activation(*, actor: Actor, activation: Activation) -> None:
    """Deactivate a device at its own request; raise NotFound where it was deactivated before."""
    if not device_limit.deactivate(
        device_limit.lock_pool(activation.pool_id), activation, actor=actor, reason=DeactivationReason.DEVICE
    ):
        raise NotFound()


@transaction.atomic
def deactivate_activation(*, actor: Actor, key_id: str, activation_id: str) -> Activation:
    """Deactivate a device of a key for a member or a key; raise NotFound where the key has no such active device."""
    actor.require(Permission.SDK_KEYS_WRITE, Permission.ACTIVATIONS_WRITE)
    key: SdkKey = SdkKey.objects.for_actor(actor).with_public_id(key_id)
    pool = device_limit.lock_pool(key.pool_id)
    own = Activation.objects.filter(pool=pool).active().select_related("key")
    activation: Activation = own.with_public_id(activation_id)
    if not device_limit.deactivate(pool, activation, actor=actor, reason=DeactivationReason.MEMBER):
        raise NotFound()
    return activation

"""What a device does with the key in its app: take a place, beat, give it up; and a person who frees a place."""

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
from apps.sdk_keys.audit_and_publish import announce, record_and_publish_device
from apps.sdk_keys.device_identity import device_digest, device_digests, new_token, token_matches
from apps.sdk_keys.key_query import SdkRow
from apps.sdk_keys.models import Activation, ActivationPool, DeactivationReason, SdkKey

PER_DEVICE = 60  # calls a minute of one device


@dataclass(frozen=True, slots=True)
class Device:
    """A device as its app describes it."""

    device_id: str
    app_version: str = ""
    os_version: str = ""


def consume_rate_limit(pool_id: uuid.UUID, digest: str) -> rate_limits.Decision:
    """Count a call of one device and return what is left of its minute."""
    return rate_limits.consume([Window("device", f"d:{pool_id.hex}:{digest[:32]}", PER_DEVICE, 60)])


def activate(*, actor: Actor, row: SdkRow, device: Device) -> tuple[Activation, str, bool]:
    """Give a device a place and return it with its token, once, and whether it is new.

    The same device keeps its place, and the versions that it does not tell: it gets another token and the old one ends.
    Raises Conflict ``activation_limit_reached`` where every place is taken, exact under any number of devices at once;
    RateLimited for a device that took too many places within a day; Forbidden for a new device of a restricted key.
    """
    with transaction.atomic():
        taken = _take_place(actor, row, device)
        key = None if taken else SdkKey.objects.select_related("pool").get(pk=row.pk)
        if key is not None:
            _tell_full(key)
    if taken is None:
        # After the commit: the event that every place is taken must outlive the refusal.
        raise Conflict("Every activation of this key is taken.", "activation_limit_reached")
    return taken


def _take_place(actor: Actor, row: SdkRow, device: Device) -> tuple[Activation, str, bool] | None:
    pool = device_limit.lock_pool(row.pool_id)
    now = timezone.now()
    digests = device_digests(pool.pk, device.device_id)
    token, token_digest = new_token()
    seen = {
        "key_id": row.pk, "token_digest": token_digest, "last_seen_at": now, "last_seen_from": actor.address,
        "expires_at": device_limit.expiry_for(pool, now), "device_digest": device_digest(pool.pk, device.device_id),
        "pepper_id": current_pepper(), **_told(device.app_version, device.os_version),
    }  # fmt: skip
    own = Activation.objects.filter(pool=pool, device_digest__in=digests).active().first()
    if own is not None:
        for name, value in seen.items():
            setattr(own, name, value)
        own.save(update_fields=list(seen))
        return own, token, False
    if row.restriction is not None:
        raise Forbidden(row.restriction.activating, row.restriction.code)
    if device_limit.is_full(pool):
        device_limit.deactivate_inactive(pool, now)
    if device_limit.is_full(pool):
        return None
    device_limit.check_churn(pool, digests, now)
    activation = Activation.objects.create(pool=pool, organization_id=pool.organization_id, created_at=now, **seen)
    pool.active_count += 1
    pool.save(update_fields=["active_count"])
    record_and_publish_device(actor, activation, "sdk_key.activated")
    return activation, token, True


def _told(app_version: str, os_version: str) -> dict[str, str]:
    """The versions that a device tells; one that it leaves out is as it was."""
    versions = {"app_version": app_version, "os_version": os_version}
    return {name: text for name, text in versions.items() if text}


def _tell_full(key: SdkKey) -> None:
    """Announce that every place is taken, once until one is free again."""
    told = ActivationPool.objects.filter(pk=key.pool_id, full_since=None).update(full_since=timezone.now())
    if told:
        announce(key, "sdk_key.limit_reached", activation_limit=key.pool.activation_limit)


def find_activation(row: SdkRow, activation_id: str) -> Activation:
    """Return an active place of the key's pool, or raise NotFound: freed, another pool's, or none."""
    key = decode(Activation.id_prefix, activation_id)
    own = Activation.objects.filter(pool_id=row.pool_id).active().select_related("key")
    found = own.filter(pk=key).first() if key is not None else None
    if found is None:
        raise NotFound()
    return found


def check_token(activation: Activation, token: str) -> None:
    """Raise Forbidden unless the token is the one that the activation was last given."""
    if not token or not token_matches(token, activation.token_digest):
        raise Forbidden("Send this activation's own token in X-Activation-Token; activating again gives a new one.")


@transaction.atomic
def record_heartbeat(
    *, actor: Actor, activation: Activation, app_version: str = "", os_version: str = ""
) -> Activation:
    """Note that a device is in use, which keeps its place; NotFound where it was freed meanwhile."""
    now = timezone.now()
    pool = activation.pool
    values = {
        "last_seen_at": now, "last_seen_from": actor.address, "expires_at": device_limit.expiry_for(pool, now),
        **_told(app_version, os_version),
    }  # fmt: skip
    rows = Activation.objects.filter(pk=activation.pk, token_digest=activation.token_digest).active()
    if not rows.update(**values):
        raise NotFound()
    for name, value in values.items():
        setattr(activation, name, value)
    return activation


@transaction.atomic
def deactivate_own_activation(*, actor: Actor, activation: Activation) -> None:
    """Free a device's own place; NotFound where it is free already."""
    if not device_limit.deactivate(
        device_limit.lock_pool(activation.pool_id), activation, actor=actor, because=DeactivationReason.DEVICE
    ):
        raise NotFound()


@transaction.atomic
def deactivate_activation(*, actor: Actor, key_id: str, activation_id: str) -> Activation:
    """Free a place by hand; NotFound where there is no such active place of this key."""
    actor.require(Permission.SDK_KEYS_WRITE, Permission.ACTIVATIONS_WRITE)
    key: SdkKey = SdkKey.objects.for_actor(actor).with_public_id(key_id)
    pool = device_limit.lock_pool(key.pool_id)
    own = Activation.objects.filter(pool=pool).active().select_related("key")
    activation: Activation = own.with_public_id(activation_id)
    if not device_limit.deactivate(pool, activation, actor=actor, because=DeactivationReason.MEMBER):
        raise NotFound()
    return activation

"""Creates SDK keys of Acme's apps with active and deactivated devices."""

import random
from datetime import datetime, timedelta

from apps.audit.models import LastUse
from apps.base.crypto.secrets import current_pepper
from apps.base.identifiers import new_uuid, uuid_at
from apps.credentials.lifecycle import transitions
from apps.sdk_keys.device_identity import device_digest, new_token
from apps.sdk_keys.models import DEFAULT_INACTIVE_DAYS, Activation, ActivationPool, DeactivationReason, Platform, SdkKey
from integrations_portal.demo.audit_entries import AuditEntries
from integrations_portal.demo.users import DemoAccounts

LIMIT = 50
# Name, platform, app, origins, age in days, active devices, deactivated devices.
PLANS: tuple[tuple[str, Platform, str, list[str], float, int, int], ...] = (
    ("Field app", Platform.IOS, "com.acme.field", [], 24.0, 31, 3),
    ("Booking site", Platform.WEB, "", ["https://book.acme.example"], 12.0, 7, 1),
)
SYSTEMS = {Platform.IOS: ("18.6", "26.0", "26.1"), Platform.WEB: ("Chrome 140", "Firefox 143", "Safari 26")}


def create(audit_entries: AuditEntries, rng: random.Random, accounts: DemoAccounts, now: datetime) -> None:
    """Create the keys and their devices; plain-text keys and tokens are discarded."""
    maker = accounts.actors["Ada"]
    organization = accounts.organizations["acme"]
    for name, platform, app_id, origins, days, active, freed in PLANS:
        made = now - timedelta(days=days)
        pool = ActivationPool.objects.create(
            organization=organization, activation_limit=LIMIT, active_count=active, created_at=made, updated_at=made
        )
        key, _text = transitions.issue(
            SdkKey, actor=maker, id=uuid_at(made), name=name, platform=platform, app_id=app_id, origins=origins,
            pool=pool, created_at=made, updated_at=made,
        )  # fmt: skip
        rows = [_device(rng, key, made, now, number >= active) for number in range(active + freed)]
        Activation.objects.bulk_create(sorted(rows, key=lambda row: row.pk))
        newest = max(rows, key=lambda row: row.last_seen_at)
        LastUse.objects.create(credential_id=key.pk, at=newest.last_seen_at, address=newest.last_seen_from)
        audit_entries.add(made, maker, "sdk_key.created", ("sdk_key", key.public_id, name), {"name": [None, name]})


def _device(rng: random.Random, key: SdkKey, made: datetime, now: datetime, is_freed: bool) -> Activation:
    began = made + rng.random() * (now - made)
    seen = began + rng.random() * (now - began)
    return Activation(
        id=uuid_at(began),
        organization=key.organization,
        pool=key.pool,
        key=key,
        device_digest=device_digest(key.pool_id, new_uuid().hex),
        pepper_id=current_pepper(),
        token_digest=new_token()[1],
        app_version=f"4.{rng.randint(0, 3)}.{rng.randint(0, 9)}" if key.app_id else "",
        os_version=rng.choice(SYSTEMS[Platform(key.platform)]),
        created_at=began,
        last_seen_at=seen,
        last_seen_from=f"203.0.113.{rng.randint(10, 250)}",
        expires_at=seen + timedelta(days=DEFAULT_INACTIVE_DAYS),
        freed_at=seen if is_freed else None,
        freed_because=DeactivationReason.DEVICE if is_freed else "",
    )

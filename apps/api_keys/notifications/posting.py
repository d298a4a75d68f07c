"""Post, publish and resolve the notifications about one key."""

from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from apps.api_keys.models import ApiKey
from apps.base.permissions import Permission
from apps.credentials.descendants import CREATED_BY
from apps.credentials.key_status import RESTRICTED_STATUSES
from apps.notices import actions as notices
from apps.notices.models import Severity
from apps.webhooks import publishing

EXPIRY, ROTATION, UNUSUAL, LEAK = "expiry", "rotation", "unusual", "leak"
# Notifications that no action resolves, or not reliably, expire after this time.
EXPIRE_AFTER = {
    "api_key.expired": timedelta(days=30),
    **{f"api_key.{who}leaked_{word}": timedelta(days=90) for who in ("", "successor_") for word in RESTRICTED_STATUSES},
    "api_key.leaked": timedelta(days=90),
    "api_key.leaked_revoked": timedelta(days=30),
    "api_key.leaked_creator": timedelta(days=90),
    "api_key.successor_leaked": timedelta(days=90),
    "api_key.successor_leaked_revoked": timedelta(days=30),
    "api_key.unusual_rate": timedelta(days=14),
    "api_key.unusual_network": timedelta(days=14),
    "api_key.unusual_refusals": timedelta(days=14),
}


def describe(key: ApiKey) -> dict[str, Any]:
    """Return the common fields of events about a key."""
    return {"id": key.public_id, "name": key.name, "type": key.key_type.name, "mask": key.mask}


def post(key: ApiKey, kind: str, topic: str, *, severity: str, params: dict[str, Any], mail: bool = True) -> bool:
    """Post a notification about the key once per topic, and return whether it was new.

    ``topic`` is one of the constants above, a colon, and what distinguishes the occurrence, such as a date.
    """
    return notices.notify(
        organization_id=key.organization_id,
        kind=kind,
        dedupe_key=f"{key.public_id}:{topic}",
        severity=severity,
        params={"name": key.name, "mask": key.mask, **{name: _displayed(value) for name, value in params.items()}},
        path=f"settings/integration/api-keys/{key.public_id}/",
        permission=Permission.API_KEYS_WRITE,
        mail=mail,
    )


def notify_about_others(key: ApiKey, count: int) -> bool:
    """Notify that objects which a leaked key created still work; resolved when the last of them is revoked."""
    return notices.notify(
        organization_id=key.organization_id,
        kind="api_key.leaked_creator",
        dedupe_key=f"{CREATED_BY}:{key.public_id}:{timezone.now():%Y-%m-%d}",
        severity=Severity.BAD,
        params={"name": key.name, "mask": key.mask, "made": count},
        path=f"settings/integration/created-by/{key.public_id}/",
        permission=Permission.API_KEYS_WRITE,
        mail=True,
    )


def already_sent(key: ApiKey, topic: str) -> bool:
    """Return whether a notification of that topic was posted for the key."""
    return notices.was_notified(organization_id=key.organization_id, dedupe_key=f"{key.public_id}:{topic}")


def _displayed(value: Any) -> Any:
    return ", ".join(value) if isinstance(value, list) else "–" if value is None else value


def publish(key: ApiKey, event_type: str, facts: dict[str, Any]) -> None:
    """Publish a webhook event about the key with these additional fields."""
    data = {**describe(key), **facts}
    publishing.publish(organization_id=key.organization_id, event_type=event_type, data=data)


def resolve_for(key: ApiKey, *topics: str) -> int:
    """Resolve the key's open notifications of the topics, by default all, and return their number.

    Called by a revocation (all), a rotation (all but ``LEAK``, as the old key still works during the overlap) and a
    release (``LEAK``).
    """
    prefixes = [f"{key.public_id}:{topic}:" for topic in topics] or [f"{key.public_id}:"]
    return sum(notices.resolve(organization_id=key.organization_id, dedupe_prefix=prefix) for prefix in prefixes)


# The periodic job api_keys.resolve_old_notifications (apps.py).
def expire_notifications(now: datetime | None = None) -> int:
    """Resolve notifications that are older than the limit of their kind, and return their number."""
    now = now or timezone.now()
    return sum(notices.resolve_older(kind=kind, before=now - age) for kind, age in EXPIRE_AFTER.items())

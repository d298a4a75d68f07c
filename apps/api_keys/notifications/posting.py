"""The alerts of one key as stories: each is told once, and taken off the pages when it has ended."""

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
# Nothing that somebody does ends these, or it was forgotten: they fade by themselves.
FADING = {
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
    """Return what every event about a key says of it."""
    return {"id": key.public_id, "name": key.name, "type": key.key_type.name, "mask": key.mask}


def post(key: ApiKey, kind: str, story: str, *, severity: str, params: dict[str, Any], mail: bool = True) -> bool:
    """Post a notice of the key to those who may act, once per story, and tell whether it was new.

    ``story`` starts with one of the words above; what follows tells this story from the next one of its kind.
    """
    return notices.post(
        organization_id=key.organization_id,
        kind=kind,
        dedupe_key=f"{key.public_id}:{story}",
        severity=severity,
        params={"name": key.name, "mask": key.mask, **{word: _shown(value) for word, value in params.items()}},
        path=f"settings/integration/api-keys/{key.public_id}/",
        permission=Permission.API_KEYS_WRITE,
        mail=mail,
    )


def notify_about_others(key: ApiKey, count: int) -> bool:
    """Post that what a leaked key created still works; it outlives the key, and goes with the last of them."""
    return notices.post(
        organization_id=key.organization_id,
        kind="api_key.leaked_creator",
        dedupe_key=f"{CREATED_BY}:{key.public_id}:{timezone.now():%Y-%m-%d}",
        severity=Severity.BAD,
        params={"name": key.name, "mask": key.mask, "made": count},
        path=f"settings/integration/created-by/{key.public_id}/",
        permission=Permission.API_KEYS_WRITE,
        mail=True,
    )


def already_sent(key: ApiKey, story: str) -> bool:
    """Tell whether a story of the key was posted before."""
    return notices.was_posted(organization_id=key.organization_id, dedupe_key=f"{key.public_id}:{story}")


def _shown(value: Any) -> Any:
    return ", ".join(value) if isinstance(value, list) else "–" if value is None else value


def publish(key: ApiKey, event_type: str, facts: dict[str, Any]) -> None:
    """Publish an event about the key, in the transaction of its notice."""
    data = {**describe(key), **facts}
    publishing.publish(organization_id=key.organization_id, event_type=event_type, data=data)


def resolve_for(key: ApiKey, *stories: str) -> int:
    """Take the key's open notices off the pages: of the named stories, else of all, and count them.

    Called by what ends them: a revocation (all), a rotation (all but ``LEAK``: the old key is public as long as it
    works), a release (``LEAK``).
    """
    prefixes = [f"{key.public_id}:{story}:" for story in stories] or [f"{key.public_id}:"]
    return sum(notices.resolve(organization_id=key.organization_id, dedupe_prefix=prefix) for prefix in prefixes)


# The periodic job api_keys.resolve_old_notifications (apps.py).
def expire_notifications(now: datetime | None = None) -> int:
    """Take notices off the pages that have been there long enough."""
    moment = now or timezone.now()
    return sum(notices.resolve_older(kind=kind, before=moment - age) for kind, age in FADING.items())

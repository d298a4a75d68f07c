"""View models of the SDK key pages, as plain values."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db.models import Case, Count, QuerySet, When
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.audit.calls.usage_counters import last_uses
from apps.audit.models import LastUse
from apps.base.actor import Actor
from apps.base.errors import Invalid
from apps.base.rest.cursor_pagination import Cursors, rows_after
from apps.credentials import view_models
from apps.credentials.key_status import CHANGES
from apps.credentials.models import SecretKeyQuerySet
from apps.sdk_keys.models import Activation, ActivationQuerySet, Platform, SdkKey
from apps.sdk_keys.snippets import snippet

DEVICES_PER_PAGE = 10
# Actions on the key itself: devices can be many and have a separate list.
HISTORY_ACTIONS = tuple(
    f"sdk_key.{word}"
    for word in ("created", "updated", "rotated", "leaked", *(change.audit_verb for change in CHANGES.values()))
)


def facts(key: SdkKey, use: LastUse | None, now: datetime | None = None) -> dict[str, Any]:
    """Return the context about a key on every page."""
    limit, active = key.pool.activation_limit, key.pool.active_count
    return {
        **view_models.key_facts(key, use, now or timezone.now()),
        "platform": str(key.platform),
        "platform_word": key.get_platform_display(),
        "app_id": key.app_id,
        "cert_sha256": key.cert_sha256,
        "origins": key.origins,
        "active": active,
        "limit": limit,
        "is_full": limit is not None and active >= limit,
        "inactive_after_days": key.pool.inactive_after_days,
    }


def listed_keys(rows: SecretKeyQuerySet[SdkKey], platform: str, creator: str = "") -> SecretKeyQuerySet[SdkKey]:
    """Return the listed keys of a platform, newest first, revoked ones last."""
    listed = rows.listed().filter(platform=platform).select_related("pool")
    listed = listed.created_by(creator) if creator else listed
    return listed.order_by(Case(When(revoked_at=None, then=0), default=1), "-pk")


def key_rows(keys: Sequence[SdkKey]) -> list[dict[str, Any]]:
    """Return the rows of the list, with one query for all keys."""
    uses, now = last_uses([key.pk for key in keys]), timezone.now()
    return [facts(key, uses.get(key.pk), now) for key in keys]


def tabs(actor: Actor, slug: str, current: str) -> list[dict[str, Any]]:
    """Return a tab for each platform with its number of keys, from one query."""
    rows = SdkKey.objects.for_actor(actor).listed().order_by().values("platform").annotate(count=Count("pk"))
    counted = {row["platform"]: row["count"] for row in rows}
    return [
        {
            "url": reverse(f"sdk_keys_{platform.value}", args=[slug]),
            "label": platform.label,
            "current": platform.value == current,
            "count": counted.get(platform.value, 0),
        }
        for platform in Platform
    ]


def detail(actor: Actor, key: SdkKey) -> dict[str, Any]:
    """Return the context of a key's page except its devices."""
    return {
        "key": facts(key, LastUse.objects.filter(pk=key.pk).first()),
        **view_models.lifecycle_context(actor, key, "sdk_key", HISTORY_ACTIONS),
        "snippet": snippet(key),
    }


def devices(actor: Actor, key: SdkKey, show: str, cursor: str) -> dict[str, Any]:
    """Return one page of a key's devices, newest first: active ones, or deactivated ones for ``show="freed"``.

    An invalid cursor returns the first page.
    """
    every: ActivationQuerySet = Activation.objects.for_actor(actor).filter(pool_id=key.pool_id)
    rows: QuerySet[Activation] = (every.exclude(freed_at=None) if show == "freed" else every.active()).order_by("-pk")
    cursors = Cursors.of("devices", actor.organization_id, [("key", key.public_id), ("show", show)])
    try:
        rows = rows_after(rows, cursors.read(cursor, Activation._meta.pk), "-pk") if cursor else rows
    except Invalid:
        cursor = ""
    found = list(rows.select_related("key")[: DEVICES_PER_PAGE + 1])
    page = found[:DEVICES_PER_PAGE]
    return {
        "devices": [_device(row, key) for row in page],
        "show": "freed" if show == "freed" else "active",
        "next_cursor": cursors.write(page[-1].pk) if len(found) > DEVICES_PER_PAGE else "",
        "is_first": not cursor,
    }


def _device(row: Activation, key: SdkKey) -> dict[str, Any]:
    return {
        "id": row.public_id,
        "app_version": row.app_version,
        "os_version": row.os_version,
        "created_at": row.created_at,
        "last_seen_at": row.last_seen_at,
        "last_seen_from": row.last_seen_from,
        "expires_at": row.expires_at,
        "freed_at": row.freed_at,
        "freed_because": row.get_freed_because_display(),
        "other_key": view_models.link_to_key(row.key) if row.key_id != key.pk else None,
    }


def device_tabs(show: str, path: str) -> list[dict[str, Any]]:
    """Return the tabs of active and deactivated devices."""
    return [
        {"url": f"{path}#devices", "label": _("Active"), "current": show != "freed"},
        {"url": f"{path}?show=freed#devices", "label": _("Freed"), "current": show == "freed"},
    ]


def impact(_actor: Actor, key: SdkKey) -> dict[str, Any]:
    """Return the context about what revoking the key would break."""
    use = LastUse.objects.filter(pk=key.pk).first()
    return {"key": facts(key, use), "recently_used": view_models.is_recent(use)}


def secret_context(key: SdkKey, plaintext: str) -> dict[str, Any]:
    """Return the context of the page that shows a new key once."""
    return {
        "secret": plaintext,
        "key": {
            "name": key.name,
            "expires_at": key.expires_at,
            "app": key.app_id or ", ".join(key.origins),
        },
        "old": view_models.replaced_key(key.replaces),
        "env_line": f"SDK_KEY={plaintext}",
    }

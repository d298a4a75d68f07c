"""Items that need attention: expiring or quarantined keys, failing endpoints, and other open notifications.

Keys and endpoints are derived from their current state, so an item disappears when its cause does. Each item links to
the step that helps if the member has permission for it, else to the object.
"""

from datetime import datetime, timedelta
from typing import Any, cast

from django.db.models import Exists, OuterRef
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apps.api_keys.models import ApiKey
from apps.audit.models import LastUse
from apps.base.actor import Actor
from apps.base.permissions import Permission
from apps.base.timestamps import format_date_for_reader
from apps.credentials.key_status import RESTRICTED_STATUSES, STATUSES, Attention, KeyStatus
from apps.credentials.view_models import ceil_days
from apps.notices.models import Notice
from apps.notices.texts import notice_context
from apps.webhooks.models import Endpoint, EndpointHealth, EndpointStatus
from apps.webhooks.view_models import endpoint_name
from apps.webhooks.view_models.failure_labels import DISABLED_REASONS

SHOWN = 6
# Items per kind, so that the page is bounded; the lists show all.
MAX_PER_KIND = 25
EXPIRED_FOR = timedelta(days=14)
UNUSED_AFTER = timedelta(days=30)
ORDER = {"bad": 0, "warn": 1, "info": 2}
# Notifications about states that are shown here anyway.
KINDS_SHOWN_FROM_STATE = (
    *(f"api_key.leaked_{word}" for word in RESTRICTED_STATUSES),
    "api_key.expiring", "api_key.expired", "endpoint.failing", "endpoint.disabled",
    "organization.suspended",
)  # fmt: skip
Item = dict[str, Any]


def found(actor: Actor, slug: str) -> list[Item]:
    """Return the items that need attention, the most severe first, at most ``MAX_PER_KIND`` of each kind."""
    items = [*_endpoints(actor, slug), *_keys(actor, slug), *_notices(actor, slug)]
    return sorted(items, key=lambda item: ORDER.get(item["severity"], 2))


def _notices(actor: Actor, slug: str) -> list[Item]:
    rows = Notice.objects.visible_to(actor).open().needing_attention().exclude(kind__in=KINDS_SHOWN_FROM_STATE)
    return [notice_context(notice, slug) for notice in rows.most_severe_first()[:MAX_PER_KIND]]


def _keys(actor: Actor, slug: str) -> list[Item]:
    if not actor.can(Permission.API_KEYS_READ):
        return []
    keys, now = ApiKey.objects.for_actor(actor), timezone.now()
    expired = keys.in_status(KeyStatus.EXPIRED).filter(expires_at__gt=now - EXPIRED_FOR, replaced_by=None)
    unused = keys.in_status(KeyStatus.ACTIVE).filter(
        ~Exists(LastUse.objects.filter(credential_id=OuterRef("pk"))), created_at__lt=now - UNUSED_AFTER
    )
    return [
        *(
            _restricted(key, slug, status.attention)
            for word, status in STATUSES.items()
            if status.attention is not None
            for key in keys.in_status(word).order_by("-pk")[:MAX_PER_KIND]
        ),
        *(_expired(key, slug) for key in expired.order_by("-expires_at")[:MAX_PER_KIND]),
        *(
            _expiring(key, actor, slug, now)
            for key in keys.in_status(KeyStatus.EXPIRING).order_by("expires_at")[:MAX_PER_KIND]
        ),
        *(_unused(key, slug) for key in unused.order_by("pk")[:MAX_PER_KIND]),
    ]


def _restricted(key: ApiKey, slug: str, attention: Attention) -> Item:
    return _key_item(key, slug, "bad", str(attention.title) % {"name": key.name}, str(attention.text))


def _expired(key: ApiKey, slug: str) -> Item:
    day = format_date_for_reader(timezone.localtime(cast(datetime, key.expires_at)), "date")
    title = _("“%(name)s” expired on %(day)s") % {"name": key.name, "day": day}
    return _key_item(key, slug, "bad", title, _("Its calls are answered with 401 expired_api_key."))


def _expiring(key: ApiKey, actor: Actor, slug: str, now: datetime) -> Item:
    left = cast(datetime, key.expires_at) - now
    days = ceil_days(left)
    title = ngettext("“%(name)s” expires in %(days)d day", "“%(name)s” expires in %(days)d days", days)
    text = _("Make its successor before then; both may work side by side.")
    item = _key_item(key, slug, "bad" if left <= timedelta(days=1) else "warn", "", text)
    item["title"] = title % {"name": key.name, "days": days}
    if actor.can(Permission.API_KEYS_WRITE):
        item |= {"link_url": reverse("api_key_rotate", args=[slug, key.public_id]), "link_label": _("Rotate")}
    return item


def _unused(key: ApiKey, slug: str) -> Item:
    title = _("“%(name)s” was never used") % {"name": key.name}
    return _key_item(key, slug, "info", title, _("It is older than 30 days. Revoke it if nothing needs it."))


def _key_item(key: ApiKey, slug: str, severity: str, title: str, text: str) -> Item:
    url = reverse("api_key", args=[slug, key.public_id])
    return {"severity": severity, "title": title, "text": text, "link_url": url, "link_label": _("Open")}


def _endpoints(actor: Actor, slug: str) -> list[Item]:
    if not actor.can(Permission.WEBHOOKS_READ):
        return []
    rows = Endpoint.objects.for_actor(actor).existing()
    unhealthy = rows.exclude(status=EndpointStatus.ENABLED, health=EndpointHealth.HEALTHY)
    return [_endpoint(endpoint, slug) for endpoint in unhealthy.order_by("-pk")[:MAX_PER_KIND]]


def _endpoint(endpoint: Endpoint, slug: str) -> Item:
    name = {"name": endpoint_name(endpoint)}
    url = reverse("webhook", args=[slug, endpoint.public_id])
    item = {"severity": "warn", "link_url": url, "link_label": _("Open")}
    if endpoint.status == EndpointStatus.PAUSED:
        return {**item, "title": _("%(name)s is paused") % name, "text": _("Its events are held until it is enabled.")}
    if endpoint.status == EndpointStatus.DISABLED:
        why, held = DISABLED_REASONS.get(endpoint.disabled_reason, ""), _("Its events are held until it is enabled.")
        return {
            **item,
            "severity": "bad" if endpoint.disabled_reason else "warn",
            "title": _("%(name)s is disabled") % name,
            "text": f"{why} {held}".strip(),
        }
    return {**item, "severity": "bad", **_failing(endpoint, name)}


def _failing(endpoint: Endpoint, name: dict[str, str]) -> dict[str, str]:
    title = _("%(name)s is failing") % name
    if endpoint.failing_since is not None:
        since = format_date_for_reader(timezone.localtime(endpoint.failing_since), "short")
        title = _("%(name)s is failing since %(since)s") % {**name, "since": since}
    count = endpoint.failures_in_a_row
    text = ngettext(
        "%(count)d attempt in a row failed. Deliveries are retried.",
        "%(count)d attempts in a row failed. Deliveries are retried.",
        count,
    )
    return {"title": title, "text": text % {"count": count}}

"""Figures of the last 24 hours, read from rollups, never from the logs of requests or deliveries."""

from typing import Any, cast
from uuid import UUID

from django.urls import reverse
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apps.audit.calls.usage_counters import hourly_totals
from apps.base.actor import Actor
from apps.base.permissions import Permission
from apps.base.web.charts import bar_chart
from apps.webhooks.models import DeliveryBalance
from apps.webhooks.stats import dashboard_stats, delivery_totals
from apps.webhooks.view_models import endpoint_name

Pair = tuple[int, int]


def stats(actor: Actor, slug: str) -> list[dict[str, Any]]:
    """Return up to four figures, each with its hourly chart; nothing if there was no activity."""
    calls = hourly_totals(cast(UUID, actor.organization_id)) if actor.can(Permission.USAGE_READ) else []
    attempts = dashboard_stats.attempts_by_hour_24h(actor) if actor.can(Permission.WEBHOOKS_READ) else []
    if not any(map(sum, (*calls, *attempts))):
        return []
    found = [_requests(calls, slug), _deliveries(attempts, slug), _failed(attempts)]
    slowest = dashboard_stats.slowest_endpoint_24h(actor) if attempts else None
    return found if slowest is None else [*found, _slowest(slowest, slug)]


def _requests(hours: list[Pair], slug: str) -> dict[str, Any]:
    total, errors = (sum(column) for column in zip(*hours, strict=True)) if hours else (0, 0)
    hint = ngettext("%(count)d refused or failed", "%(count)d refused or failed", errors) % {"count": errors}
    return {
        "label": _("API requests, 24 h"),
        "value": total,
        "hint": hint if errors else "",
        "url": reverse("usage", args=[slug]),
        "bars": bar_chart(hours),
        "bars_label": _("API requests in each of the last 24 hours"),
    }


def _deliveries(hours: list[Pair], slug: str) -> dict[str, Any]:
    return {
        "label": _("Deliveries, 24 h"),
        "value": sum(good for good, _bad in hours),
        "url": reverse("webhooks", args=[slug]),
        "bars": bar_chart([(good, 0) for good, _bad in hours]),
        "bars_label": _("Deliveries that arrived in each of the last 24 hours"),
    }


def _failed(hours: list[Pair]) -> dict[str, Any]:
    failed = sum(bad for _good, bad in hours)
    return {
        "label": _("Failed attempts"),
        "value": failed,
        "tone": "bad" if failed else "",
        "bars": bar_chart([(bad, bad) for _good, bad in hours]),
        "bars_label": _("Attempts that failed in each of the last 24 hours"),
    }


def _slowest(found: dashboard_stats.SlowestEndpoint, slug: str) -> dict[str, Any]:
    name = endpoint_name(found.endpoint)
    is_long = found.milliseconds >= 1000
    return {
        "label": _("Slowest endpoint, p95"),
        "value": number_format(found.milliseconds / 1000, decimal_pos=1) if is_long else f"{found.milliseconds:.0f}",
        "unit": "s" if is_long else "ms",
        "hint": _("95 of 100 recent attempts at %(name)s were no slower") % {"name": name},
        "url": reverse("webhook", args=[slug, found.endpoint.public_id]) if found.endpoint.deleted_at is None else "",
    }


def balance_of(actor: Actor) -> DeliveryBalance | None:
    """Return the last count of all accepted deliveries by state."""
    return delivery_totals.last_counted(actor) if actor.can(Permission.WEBHOOKS_READ) else None

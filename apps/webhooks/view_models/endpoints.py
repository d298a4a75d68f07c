"""Build the context values of endpoints: settings, statistics of the last 24 hours, and health."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.db.models import F, IntegerField, OuterRef, Q, Subquery
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apps.base.actor import Actor
from apps.base.web.charts import bar_chart
from apps.webhooks.engine.endpoint_health import DISABLE_AFTER
from apps.webhooks.engine.test_inbox import is_inbox
from apps.webhooks.models import Delivery, Endpoint, EndpointHealth, EndpointStatus
from apps.webhooks.stats import hourly_rollup
from apps.webhooks.stats.list_conditions import with_literal_constants
from apps.webhooks.view_models.failure_labels import DISABLED_REASONS, error_label, what_to_try

PENDING = Q(status="pending")
# More pending deliveries are shown as "more than 1,000".
MAX_COUNTED = 1000
# The number of newest deliveries that the last failure is searched among.
SEARCHED_DELIVERIES = 200


class SubqueryCount(Subquery):
    """The number of rows of a subquery."""

    template = "(SELECT COUNT(*) FROM (%(subquery)s) counted)"
    output_field = IntegerField()


def max_attempts() -> int:
    """Return the number of attempts in the retry schedule, including the first one."""
    return len(settings.WEBHOOK_RETRY_SCHEDULE) + 1


def endpoint_name(endpoint: Endpoint) -> str:
    """Return the host of an endpoint, or the name of the test inbox."""
    if is_inbox(endpoint.url):
        return _("Test inbox")
    return urlsplit(endpoint.url).netloc or endpoint.url


def endpoint_context(endpoint: Endpoint, held: int = 0) -> dict[str, Any]:
    """Return the context values of an endpoint that all pages share; ``held`` is its number of held deliveries."""
    return {
        "id": endpoint.public_id,
        "url": endpoint.shown_url,
        "host": endpoint_name(endpoint),
        "short_url": endpoint.shown_url.partition("://")[2] or endpoint.shown_url,
        "is_inbox": is_inbox(endpoint.url),
        "description": endpoint.description,
        "status": endpoint.status,
        "health": endpoint.health,
        "failing_since": endpoint.failing_since,
        "disabled_reason": str(DISABLED_REASONS.get(endpoint.disabled_reason, "")),
        "disabled_by_us": endpoint.status == EndpointStatus.DISABLED and bool(endpoint.disabled_reason),
        "disabled_at": endpoint.disabled_at,
        "paused_by": endpoint.paused_by,
        "paused_at": endpoint.paused_at,
        "event_types": endpoint.event_types,
        "event_count": len(endpoint.event_types),
        "held_count": held,
        "rate_limit_per_second": endpoint.rate_limit_per_second,
        "max_in_flight": endpoint.max_in_flight,
        "headers": list(endpoint.custom_headers or ()),
        "created_at": endpoint.created_at,
    }


def endpoint_rows(actor: Actor, endpoints: Sequence[Endpoint]) -> list[dict[str, Any]]:
    """Return the rows of the endpoint list, in a fixed number of queries."""
    hourly = hourly_rollup.last_24h(actor)
    waiting = _waiting(actor, endpoints)
    none_waiting = {"waiting": 0, "waiting_more": False, "next_retry_at": None}
    return [
        {**endpoint_context(each), **_attempt_stats(hourly.get(each.pk, [])), **waiting.get(each.pk, none_waiting)}
        for each in endpoints
    ]


def _waiting(actor: Actor, endpoints: Sequence[Endpoint]) -> dict[Any, dict[str, Any]]:
    """Return the number of pending deliveries, counted up to MAX_COUNTED, and the next retry of each endpoint."""
    waiting = Delivery.objects.filter(with_literal_constants(PENDING), endpoint=OuterRef("pk")).order_by()
    retries = waiting.filter(with_literal_constants(Q(attempt_count__gt=0))).order_by(
        F("next_attempt_at").asc(nulls_first=True)
    )
    rows = Endpoint.objects.for_actor(actor).filter(pk__in=[each.pk for each in endpoints])
    counted = rows.annotate(
        waiting=SubqueryCount(waiting.values("pk")[: MAX_COUNTED + 1]),
        next_retry_at=Subquery(retries.values("next_attempt_at")[:1]),
    )
    return {
        row["pk"]: {
            "waiting": min(row["waiting"], MAX_COUNTED),
            "waiting_more": row["waiting"] > MAX_COUNTED,
            "next_retry_at": row["next_retry_at"],
        }
        for row in counted.values("pk", "waiting", "next_retry_at")
    }


def _attempt_stats(series: Sequence[tuple[int, int]]) -> dict[str, Any]:
    """Return the success rate and the chart of the (succeeded, failed) attempts in each of the last 24 hours."""
    good, bad = (sum(column) for column in zip(*series, strict=True)) if series else (0, 0)
    total = good + bad
    if not total:
        return {"success_rate": None, "bars": [], "bars_label": ""}
    label = ngettext("%(total)d attempt in 24 hours", "%(total)d attempts in 24 hours", total) % {"total": total}
    failed = ngettext("%(bad)d failed", "%(bad)d failed", bad) % {"bad": bad}
    return {
        "success_rate": 100 * good // total,
        "bars": bar_chart([(each_good + each_bad, each_bad) for each_good, each_bad in series]),
        "bars_label": f"{label}, {failed}",
    }


def same_url_rows(endpoint: Endpoint) -> list[dict[str, str]]:
    """Return the other endpoints with the same URL, which receive the same events."""
    others = Endpoint.objects.with_same_url(endpoint).only("pk", "url", "description")
    return [{"id": each.public_id, "name": each.description or each.public_id} for each in others]


def secret_rows(endpoint: Endpoint) -> list[dict[str, Any]]:
    """Return the valid signing secrets, newest first, without the secrets themselves."""
    now = timezone.now()
    rows = endpoint.secrets.filter(Q(expires_at=None) | Q(expires_at__gt=now)).order_by("-created_at", "-pk")
    return [
        {"id": each.public_id, "created_at": each.created_at, "expires_at": each.expires_at, "newest": not number}
        for number, each in enumerate(rows)
    ]


def failure_summary(actor: Actor, endpoint: Endpoint) -> dict[str, Any] | None:
    """Return why an endpoint fails or was disabled automatically, or None for any other."""
    is_disabled = endpoint.status == EndpointStatus.DISABLED and bool(endpoint.disabled_reason)
    is_failing = endpoint.status == EndpointStatus.ENABLED and endpoint.health == EndpointHealth.FAILING
    if not (is_disabled or is_failing):
        return None
    last = _last_failure(actor, endpoint)
    return {
        "since": endpoint.failing_since,
        "failures": endpoint.failures_in_a_row,
        "last_success_at": endpoint.last_success_at,
        "last": last and {"id": last.public_id, "word": failure_label(last), "at": last.created_at},
        "hint": _hint(last) if last else "",
        "disables_at": endpoint.failing_since + DISABLE_AFTER if is_failing and endpoint.failing_since else None,
    }


def _last_failure(actor: Actor, endpoint: Endpoint) -> Delivery | None:
    rows = Delivery.objects.for_actor(actor).filter(endpoint=endpoint, test=False).order_by("-pk")[:SEARCHED_DELIVERIES]
    return next((each for each in rows if each.last_error and each.last_error != "shutdown"), None)


def _hint(delivery: Delivery) -> str:
    attempt = delivery.attempts.exclude(error="").order_by("-number").first()
    return what_to_try(delivery.last_error, delivery.last_status_code, attempt.hint if attempt else "")


def failure_label(delivery: Delivery) -> str:
    """Return the status code of the last attempt, or its error."""
    return str(delivery.last_status_code or error_label(delivery.last_error))

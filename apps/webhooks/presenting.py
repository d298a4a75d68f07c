"""What the pages for webhooks show, as plain values."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any, cast
from urllib.parse import urlsplit

from django.conf import settings
from django.db.models import Count, Min, Q
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.base.actor import Actor
from apps.base.rendering import to_json
from apps.webhooks.models import Attempt, Delivery, DeliveryStatus, Endpoint, EndpointStatus, Event, EventType

DISABLED_REASONS: dict[str, Promise] = {
    "gone": gettext_lazy("It answered 410 Gone."),
    "failing": gettext_lazy("It failed for five days."),
}
ERROR_WORDS: dict[str, Promise] = {
    "connection_failed": gettext_lazy("connection failed"),
    "dns_failed": gettext_lazy("name not found"),
    "tls_failed": gettext_lazy("TLS failed"),
    "timed_out": gettext_lazy("timed out"),
    "bad_response": gettext_lazy("no valid answer"),
    "redirected": gettext_lazy("redirected"),
    "http_error": gettext_lazy("refused"),
    "shutdown": gettext_lazy("interrupted by us"),
}
WHAT_TO_TRY: dict[str, Promise] = {
    "connection_failed": gettext_lazy(
        "Nothing answered at this address. Check that the server runs, that its port is open to the internet, and "
        "that the URL is right."
    ),
    "dns_failed": gettext_lazy("The name has no address. Check the spelling of the URL and your DNS records."),
    "tls_failed": gettext_lazy("The certificate was not accepted. Check that it is valid, complete and for this name."),
    "timed_out": gettext_lazy("The answer took too long. Answer 2xx first and do the work afterwards."),
    "bad_response": gettext_lazy("What came back was not complete HTTP. Check proxies in front of the receiver."),
    "redirected": gettext_lazy("We do not follow redirects. Enter the final URL."),
    "http_error": gettext_lazy(
        "The endpoint answered, so the network is fine. Repair the receiver, then send it again. Repeats carry the "
        "same webhook-id, so a safe receiver ignores them."
    ),
    "shutdown": gettext_lazy("Our worker stopped during this attempt. It is repeated and does not count."),
}


def max_attempts() -> int:
    """This will return how many attempts a delivery gets."""
    return len(settings.WEBHOOK_RETRY_SCHEDULE) + 1


def endpoint_facts(endpoint: Endpoint, held: int = 0) -> dict[str, Any]:
    """This will return what every page says of an endpoint."""
    return {
        "id": endpoint.public_id,
        "url": endpoint.url,
        "host": urlsplit(endpoint.url).netloc or endpoint.url,
        "description": endpoint.description,
        "status": endpoint.status,
        "health": endpoint.health,
        "failing_since": endpoint.failing_since,
        "disabled_reason": str(DISABLED_REASONS.get(endpoint.disabled_reason, "")),
        "disabled_by_us": endpoint.status == EndpointStatus.DISABLED and bool(endpoint.disabled_reason),
        "event_types": endpoint.event_types,
        "event_count": len(endpoint.event_types),
        "held_count": held,
        "rate_limit_per_second": endpoint.rate_limit_per_second,
        "headers": list(json.loads(endpoint.headers or "{}")),
        "created_at": endpoint.created_at,
    }


def endpoint_rows(actor: Actor, endpoints: Sequence[Endpoint]) -> list[dict[str, Any]]:
    """This will return the rows of the list: one further query, however many endpoints."""
    since = timezone.now() - timedelta(hours=24)
    finished = Q(created_at__gte=since, test=False)
    figures = {
        row["endpoint_id"]: row
        for row in Delivery.objects.for_actor(actor)
        .filter(endpoint__in=endpoints)
        .filter(Q(created_at__gte=since) | Q(status=DeliveryStatus.PENDING))
        .values("endpoint_id")
        .annotate(
            good=Count("pk", filter=finished & Q(status=DeliveryStatus.SUCCEEDED)),
            bad=Count("pk", filter=finished & (Q(status=DeliveryStatus.EXHAUSTED) | Q(last_error__gt=""))),
            waiting=Count("pk", filter=Q(status=DeliveryStatus.PENDING)),
            next_retry_at=Min("next_attempt_at", filter=Q(status=DeliveryStatus.PENDING, attempt_count__gt=0)),
        )
    }
    return [{**endpoint_facts(each), **_rates(figures.get(each.pk))} for each in endpoints]


def _rates(row: Mapping[str, Any] | None) -> dict[str, Any]:
    if row is None:
        return {"success_rate": None, "waiting": 0, "next_retry_at": None}
    total = row["good"] + row["bad"]
    rate = round(100 * row["good"] / total) if total else None
    return {"success_rate": rate, "waiting": row["waiting"], "next_retry_at": row["next_retry_at"]}


def delivery_rows(deliveries: Sequence[Delivery]) -> list[dict[str, Any]]:
    """This will return the rows of a delivery list, with how long each last attempt took: one further query."""
    took: dict[Any, float] = {}
    attempts = Attempt.objects.filter(delivery__in=deliveries).exclude(duration_ms=None).order_by("number")
    for delivery_id, duration in attempts.values_list("delivery_id", "duration_ms"):
        took[delivery_id] = cast(float, duration)
    return [
        {
            "id": each.public_id,
            "status": each.status,
            "last_status_code": each.last_status_code,
            "error_word": str(ERROR_WORDS.get(each.last_error, "")),
            "event_type": each.event_type,
            "event_id": each.event.public_id,
            "created_at": each.created_at,
            "attempt_count": each.attempt_count,
            "max_attempts": 1 if each.test else max_attempts() + each.uncounted_attempts,
            "next_attempt_at": each.next_attempt_at if each.status == DeliveryStatus.PENDING else None,
            "duration_ms": round(took[each.pk]) if each.pk in took else None,
            "test": each.test,
        }
        for each in deliveries
    ]


def delivery_detail(delivery: Delivery, slug: str, tab: str, number: int | None) -> dict[str, Any]:
    """This will return the context of one delivery's page."""
    attempts = list(delivery.attempts.order_by("number"))
    chosen = next((each for each in attempts if each.number == number), attempts[-1] if attempts else None)
    here = reverse("delivery", args=[slug, delivery.public_id])
    endpoint = delivery.endpoint
    last_error = attempts[-1].error if attempts else ""
    row = delivery_rows([delivery])[0]
    return {
        "delivery": {
            **row,
            "replay_of": delivery.replay_of.public_id if delivery.replay_of else "",
            "payload": pretty(delivery.event),
        },
        "endpoint": None if endpoint.deleted_at else endpoint_facts(endpoint),
        "attempt": write_attempt(chosen) if chosen else None,
        "tab": tab,
        "tabs": [
            {"url": f"{here}?tab=response", "label": _("Response"), "current": tab == "response"},
            {"url": f"{here}?tab=request", "label": _("Request"), "current": tab == "request"},
        ],
        "timeline": timeline(delivery, attempts, here),
        "hint": str(WHAT_TO_TRY.get(last_error, "")),
        "curl": as_curl(delivery, chosen),
        "keep_days": settings.RETENTION_DAYS_EVENTS,
        "keep_attempts_days": settings.RETENTION_DAYS_ATTEMPTS,
    }


def pretty(event: Event) -> str:
    """This will return the body for reading, or nothing where it was pruned."""
    return to_json(json.loads(event.body), indent=2) if event.body else ""


def write_attempt(attempt: Attempt) -> dict[str, Any]:
    """This will return one attempt as its tabs show it."""
    code = attempt.status_code
    return {
        "number": attempt.number,
        "status_code": code,
        "reason": HTTPStatus(code).phrase if code is not None and code in HTTPStatus._value2member_map_ else "",
        "error": str(ERROR_WORDS.get(attempt.error, attempt.error)),
        "duration_ms": round(attempt.duration_ms) if attempt.duration_ms is not None else None,
        "allowed_ms": settings.WEBHOOK_TIMEOUT * 1000,
        "address": attempt.address,
        "request_headers": _lines(attempt.request_headers),
        "response_headers": _lines(attempt.response_headers),
        "response_body": attempt.response_body,
        "truncated": attempt.truncated,
    }


def _lines(headers: Any) -> str:
    pairs = headers.items() if isinstance(headers, dict) else headers
    return "\n".join(f"{name}: {value}" for name, value in pairs)


def timeline(delivery: Delivery, attempts: Sequence[Attempt], here: str) -> list[dict[str, Any]]:
    """This will return what happened and what comes."""
    items = [{"title": _("Event created"), "at": delivery.created_at, "tone": "ok", "text": "", "url": ""}]
    for attempt in attempts:
        word = attempt.status_code or str(ERROR_WORDS.get(attempt.error, _("sending")))
        title = _("Attempt %(number)d · %(result)s") % {"number": attempt.number, "result": word}
        tone = "bad" if attempt.error else "ok" if attempt.finished_at else "next"
        items.append(
            {
                "title": title,
                "at": attempt.started_at,
                "tone": tone,
                "text": "",
                "url": f"{here}?attempt={attempt.number}",
            }
        )
    if delivery.status == DeliveryStatus.PENDING and delivery.next_attempt_at:
        items.append(_planned(delivery.attempt_count + 1, delivery.next_attempt_at))
    return items


def _planned(number: int, at: datetime) -> dict[str, Any]:
    return {
        "title": _("Attempt %(number)d planned") % {"number": number},
        "at": at,
        "tone": "next",
        "text": "",
        "url": "",
    }


def as_curl(delivery: Delivery, attempt: Attempt | None) -> str:
    """This will return the request as a command; the signature is the attempt's own, so it soon is too old."""
    if attempt is None or not delivery.event.body or delivery.endpoint.deleted_at:
        return ""
    headers = " \\\n  ".join(f"-H {_quoted(f'{name}: {value}')}" for name, value in attempt.request_headers.items())
    url, body = _quoted(delivery.endpoint.url), _quoted(delivery.event.body)
    return f"curl -X POST {url} \\\n  {headers} \\\n  --data-binary {body}"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def type_groups(types: Sequence[EventType], chosen: set[str]) -> list[dict[str, Any]]:
    """This will return event types by the part before the dot."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for each in types:
        groups.setdefault(each.name.partition(".")[0], []).append(
            {
                "name": each.name,
                "description": _(each.description) if each.description else "",
                "sample": to_json(each.sample, indent=2),
                "deprecated": each.is_deprecated,
                "replaced_by": each.replaced_by,
                "origin": each.origin,
                "checked": each.name in chosen,
            }
        )
    return [{"name": name, "types": found} for name, found in groups.items()]


def snippets(endpoint: Endpoint) -> list[dict[str, str]]:
    """This will return ready code that verifies what the endpoint gets."""
    python = (
        "from standardwebhooks import Webhook\n\n"
        'webhook = Webhook(os.environ["PORTAL_WEBHOOK_SECRET"])\n'
        "event = webhook.verify(request.body, request.headers)  # raises where the signature is wrong\n"
    )
    node = (
        'import { Webhook } from "standardwebhooks";\n\n'
        "const webhook = new Webhook(process.env.PORTAL_WEBHOOK_SECRET);\n"
        "const event = webhook.verify(body, headers); // throws where the signature is wrong\n"
    )
    laptop = "python3 manage.py listen --port 9000 --secret $PORTAL_WEBHOOK_SECRET\n"
    return [
        {"id": "verify-python", "label": "Python · standardwebhooks", "code": python},
        {"id": "verify-node", "label": "Node · standardwebhooks", "code": node},
        {"id": "verify-laptop", "label": _("On your laptop"), "code": laptop},
    ]

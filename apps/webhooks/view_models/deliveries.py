"""Build the context values of deliveries and attempts."""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any, cast

from django.conf import settings
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.base.identifiers import encode
from apps.base.rest.renderers import to_json
from apps.base.rest.snippets import request_as_curl
from apps.base.timestamps import format_date_for_reader
from apps.orgs.lookups import retention_days
from apps.webhooks.engine.signing import SignatureRefused, secret_bytes, verify
from apps.webhooks.engine.test_inbox import is_inbox
from apps.webhooks.models import Attempt, Delivery, DeliveryStatus, Endpoint, EndpointStatus, Event
from apps.webhooks.models.deliveries import is_unchanged_since
from apps.webhooks.view_models.endpoints import endpoint_context, max_attempts
from apps.webhooks.view_models.failure_labels import NEXT_REASONS, error_label, what_to_try

PHASES: tuple[tuple[str, Promise], ...] = (
    ("dns", gettext_lazy("name lookup")),
    ("connect", gettext_lazy("connection")),
    ("tls", gettext_lazy("TLS")),
    ("first_byte", gettext_lazy("first byte")),
    ("total", gettext_lazy("in all")),
)
# A delivery's page polls if the next attempt is due within this time.
SOON = timedelta(seconds=60)


def delivery_rows(deliveries: Sequence[Delivery]) -> list[dict[str, Any]]:
    """Return the rows of a delivery list; the durations of the last attempts take one more query."""
    durations: dict[Any, float] = {}
    attempts = Attempt.objects.filter(delivery__in=deliveries).exclude(duration_ms=None).order_by("number")
    for delivery_id, duration in attempts.values_list("delivery_id", "duration_ms"):
        durations[delivery_id] = cast(float, duration)
    return [
        {**delivery_context(each), "duration_ms": _rounded(durations.get(each.pk)), "day": day_label(each.created_at)}
        for each in deliveries
    ]


def day_label(time: datetime) -> str:
    """Return the day of a time in the user's time zone as a label: Today, Yesterday, or the date."""
    day = timezone.localtime(time).date()
    days = (timezone.localdate() - day).days
    return {0: _("Today"), 1: _("Yesterday")}.get(days) or format_date_for_reader(day, "date")


def delivery_context(delivery: Delivery) -> dict[str, Any]:
    """Return the context values of a delivery that all pages share."""
    is_pending = delivery.status == DeliveryStatus.PENDING
    return {
        "id": delivery.public_id,
        "status": delivery.status,
        "state": "retrying" if is_pending and delivery.attempt_count else delivery.status,
        "last_status_code": delivery.last_status_code,
        "error_word": error_label(delivery.last_error) if delivery.last_error else "",
        "event_type": delivery.event_type,
        "event_id": encode(Event.id_prefix, delivery.event_id),
        "created_at": delivery.created_at,
        "finished_at": delivery.finished_at,
        "attempt_count": delivery.attempt_count,
        "max_attempts": 1 if delivery.test else max_attempts() + delivery.uncounted_attempts,
        "next_attempt_at": delivery.next_attempt_at if is_pending else None,
        "next_reason": str(NEXT_REASONS.get(delivery.next_attempt_reason, "")) if is_pending else "",
        "test": delivery.test,
        "replay_of": encode(Delivery.id_prefix, delivery.replay_of_id) if delivery.replay_of_id else "",
    }


def _rounded(milliseconds: float | None) -> int | None:
    return None if milliseconds is None else round(milliseconds)


def delivery_detail(delivery: Delivery, slug: str, tab: str, number: int | None) -> dict[str, Any]:
    """Return the context of a delivery's page; ``number`` selects the attempt to show, by default the last one."""
    attempts = list(delivery.attempts.order_by("number"))
    chosen = next((each for each in attempts if each.number == number), attempts[-1] if attempts else None)
    base_url = reverse("delivery", args=[slug, delivery.public_id])
    endpoint = delivery.endpoint
    labels = {"response": _("Response"), "request": _("Request"), "verify": _("Verify")}
    attempt_query = f"&attempt={chosen.number}" if chosen and number is not None else ""
    last = attempts[-1] if attempts else None
    return {
        "delivery": {**delivery_context(delivery), "payload": indented_body(delivery.event)},
        "endpoint": None if endpoint.deleted_at else endpoint_context(endpoint),
        "state_note": state_note(delivery),
        "attempt": {**attempt_detail(chosen), "url": requested_url(chosen, endpoint)} if chosen else None,
        "tab": tab,
        "tabs": [
            {"url": f"{base_url}?tab={name}{attempt_query}", "label": label, "current": tab == name}
            for name, label in labels.items()
        ],
        "check": signature_check(delivery, chosen) if tab == "verify" and chosen else None,
        "timeline": timeline(delivery, attempts, base_url, chosen, tab),
        "hint": what_to_try(last.error, last.status_code, last.hint) if last else "",
        "curl": as_curl(delivery, chosen),
        "keep_days": retention_days(delivery.organization_id, "deliveries", settings.RETENTION_DAYS_EVENTS),
        "keep_attempts_days": retention_days(delivery.organization_id, "deliveries", settings.RETENTION_DAYS_ATTEMPTS),
    }


def state_note(delivery: Delivery) -> dict[str, str] | None:
    """Return a note that explains the delivery's state, with its tone, or None if no note is needed."""
    if delivery.endpoint.deleted_at:
        return {"tone": "info", "text": _("Its endpoint was deleted. What was sent stays readable here.")}
    if delivery.status == DeliveryStatus.HELD:
        return {"tone": "warn", "text": _held_reason(delivery)}
    if delivery.status == DeliveryStatus.DROPPED:
        return {"tone": "info", "text": _("It was given up by choice, and is not sent. Nothing failed.")}
    if delivery.status == DeliveryStatus.EXHAUSTED and not delivery.test:
        return {"tone": "bad", "text": _("Every attempt of the schedule failed. Nothing more happens by itself.")}
    if delivery.event.body is None:
        return {"tone": "info", "text": _("Its body is no longer kept, so it cannot be sent again.")}
    return None


def _held_reason(delivery: Delivery) -> str:
    reasons = {
        EndpointStatus.PAUSED: _("Held: the endpoint is paused. It is sent once the endpoint is enabled."),
        EndpointStatus.DISABLED: _("Held: the endpoint is switched off. It is sent once the endpoint is enabled."),
    }
    return reasons.get(EndpointStatus(delivery.endpoint.status)) or _(
        "Held: the organization was suspended, or it was kept when the endpoint was enabled."
    )


def is_in_progress(delivery: Delivery) -> bool:
    """Return whether the delivery's state will change soon, so that the page has to poll."""
    if delivery.status == DeliveryStatus.SENDING:
        return True
    due = delivery.next_attempt_at
    return delivery.status == DeliveryStatus.PENDING and due is not None and due < timezone.now() + SOON


def indented_body(event: Event) -> str:
    """Return the body as indented JSON, or an empty string if retention has deleted it."""
    return to_json(json.loads(event.body), indent=2) if event.body else ""


def attempt_detail(attempt: Attempt) -> dict[str, Any]:
    """Return the values of an attempt that the tabs show."""
    code = attempt.status_code
    return {
        "number": attempt.number,
        "status_code": code,
        "reason": HTTPStatus(code).phrase if code is not None and code in HTTPStatus._value2member_map_ else "",
        "error": error_label(attempt.error) if attempt.error else "",
        "is_over": attempt.finished_at is not None,
        "duration_ms": _rounded(attempt.duration_ms),
        "allowed_ms": settings.WEBHOOK_TIMEOUT * 1000,
        "address": attempt.address,
        "timings": timings(attempt),
        "request_headers": _header_lines(attempt.request_headers),
        "response_headers": _header_lines(attempt.response_headers),
        "response_body": attempt.response_body,
        "truncated": attempt.truncated,
    }


def timings(attempt: Attempt) -> list[dict[str, Any]]:
    """Return the phases that an attempt went through, each with its time in milliseconds."""
    phases = ((label, phase_ms(attempt, name)) for name, label in PHASES)
    return [{"word": str(label), "ms": _rounded(ms)} for label, ms in phases if ms is not None]


def phase_ms(attempt: Attempt, name: str) -> float | None:
    """Return the time of a phase in milliseconds; None for the first byte if there was no response."""
    is_missing = name == "first_byte" and attempt.status_code is None
    return None if is_missing else attempt.timings_ms.get(name)


def _header_lines(headers: Any) -> str:
    pairs = headers.items() if isinstance(headers, dict) else headers
    return "\n".join(f"{name}: {value}" for name, value in pairs)


def timeline(
    delivery: Delivery, attempts: Sequence[Attempt], base_url: str, chosen: Attempt | None, tab: str
) -> list[dict[str, Any]]:
    """Return the attempts of a delivery, and the next planned one, as timeline items."""
    items = [timeline_item(_("Event created"), "ok", at=delivery.created_at)]
    for attempt in attempts:
        text = _("%(ms)d ms") % {"ms": attempt.duration_ms} if attempt.duration_ms is not None else ""
        url = f"{base_url}?tab={tab}&attempt={attempt.number}"
        item = timeline_item(_attempt_title(attempt), _tone(attempt), at=attempt.started_at, text=text, url=url)
        items.append({**item, "current": attempt is chosen and len(attempts) > 1})
    if delivery.status == DeliveryStatus.PENDING and delivery.next_attempt_at:
        title = _("Attempt %(number)d planned") % {"number": delivery.attempt_count + 1}
        reason = str(NEXT_REASONS.get(delivery.next_attempt_reason, ""))
        items.append(timeline_item(title, "next", at=delivery.next_attempt_at, text=reason))
    elif delivery.status == DeliveryStatus.SENDING and not any(each.finished_at is None for each in attempts):
        items.append(timeline_item(_("Attempt %(number)d · sending") % {"number": delivery.attempt_count}, "next"))
    elif delivery.status in (DeliveryStatus.DROPPED, DeliveryStatus.HELD):
        title = _("Dropped") if delivery.status == DeliveryStatus.DROPPED else _("Held since then")
        items.append(timeline_item(title, "next", at=delivery.finished_at))
    return items


def timeline_item(
    title: str, tone: str, *, at: datetime | None = None, text: str = "", url: str = ""
) -> dict[str, Any]:
    """Return an item of ``components/timeline.html``."""
    return {"title": title, "at": at, "tone": tone, "text": text, "url": url}


def _tone(attempt: Attempt) -> str:
    return "bad" if attempt.error else "ok" if attempt.finished_at else "next"


def _attempt_title(attempt: Attempt) -> str:
    word = error_label(attempt.error) if attempt.error else _("sending")
    return _("Attempt %(number)d · %(result)s") % {"number": attempt.number, "result": attempt.status_code or word}


def signature_check(delivery: Delivery, attempt: Attempt) -> dict[str, Any]:
    """Verify the signature of an attempt with the secrets that are valid now, as the endpoint's server would do."""
    headers = {name.lower(): str(value) for name, value in attempt.request_headers.items()}
    names = ("webhook-id", "webhook-timestamp", "webhook-signature")
    result = {
        "headers": [{"name": name, "value": headers.get(name, "–")} for name in names],
        "is_valid": False,
        "says": "",
    }
    if not delivery.event.body:
        return {**result, "says": _("The body is no longer kept, so the signature cannot be checked.")}
    if not headers.get("webhook-signature"):
        return {**result, "says": _("Nothing was sent in this attempt.")}
    secrets = delivery.endpoint.secrets.filter(Q(expires_at=None) | Q(expires_at__gt=timezone.now()))
    keys = [secret_bytes(each.secret) for each in secrets]
    try:
        verify(keys, headers, delivery.event.body.encode(), now=attempt.started_at.timestamp())
    except SignatureRefused:
        return {**result, "says": _("It was signed with a secret that is no longer valid here.")}
    return {**result, "is_valid": True, "says": _("The signature is right: one of the valid secrets made it.")}


def requested_url(attempt: Attempt, endpoint: Endpoint) -> str:
    """Return the stored URL of an attempt, else the endpoint's if it is unchanged since, else an empty string."""
    if attempt.url is None and is_unchanged_since(attempt.started_at, endpoint.created_at, endpoint.updated_at):
        return endpoint.shown_url
    return attempt.url or ""


def as_curl(delivery: Delivery, attempt: Attempt | None) -> str:
    """Return the request as a curl command with the attempt's signature, which is only accepted for a few minutes."""
    endpoint = delivery.endpoint
    url = requested_url(attempt, endpoint) if attempt else ""
    if attempt is None or not url or not delivery.event.body or endpoint.deleted_at or is_inbox(url):
        return ""
    return request_as_curl("POST", url, attempt.request_headers, delivery.event.body)

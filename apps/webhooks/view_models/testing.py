"""Build the context values of test sends, URL checks and messages of the test inbox."""

from collections.abc import Sequence
from typing import Any

from django.utils.translation import gettext as _

from apps.webhooks.engine.outcomes import Outcome
from apps.webhooks.engine.test_inbox import is_inbox
from apps.webhooks.models import Attempt, Delivery, DeliveryStatus
from apps.webhooks.view_models.deliveries import (
    attempt_detail,
    delivery_context,
    indented_body,
    phase_ms,
    signature_check,
    timeline_item,
)
from apps.webhooks.view_models.failure_labels import error_label, what_to_try


def test_steps(delivery: Delivery) -> dict[str, Any]:
    """Return the steps of a test send so far, and whether it has finished."""
    attempt = delivery.attempts.order_by("-number").first()
    is_over = delivery.status not in (DeliveryStatus.PENDING, DeliveryStatus.SENDING)
    steps = [timeline_item(_("Sample signed and queued"), "ok", at=delivery.created_at)]
    if attempt is not None and attempt.finished_at:
        steps += [timeline_item(_("Taken by a worker"), "ok", at=attempt.started_at), *_phases(delivery, attempt)]
    elif delivery.status == DeliveryStatus.SENDING:
        steps += [timeline_item(_("Taken by a worker"), "ok"), timeline_item(_("Sending"), "next")]
    else:
        steps.append(timeline_item(_("Waiting for a worker"), "next"))
    return {
        "delivery": delivery_context(delivery),
        "steps": steps,
        "is_over": is_over,
        "is_good": delivery.status == DeliveryStatus.SUCCEEDED,
        "attempt": attempt_detail(attempt) if attempt and is_over else None,
        "hint": what_to_try(attempt.error, attempt.status_code, attempt.hint) if attempt and is_over else "",
    }


def _phases(delivery: Delivery, attempt: Attempt) -> list[dict[str, Any]]:
    if is_inbox(delivery.endpoint.url):
        return [timeline_item(_("Kept by the test inbox; no network was involved"), "ok")]
    steps = [
        timeline_item(title, "ok", text=_("%(ms)d ms") % {"ms": phase_ms(attempt, name)})
        for name, title in (
            ("dns", _("Name looked up")),
            ("connect", _("Connected to %(address)s") % {"address": attempt.address or "–"}),
            ("tls", _("TLS agreed")),
            ("first_byte", _("First byte of the answer")),
        )
        if phase_ms(attempt, name) is not None
    ]
    return [*steps, _result_step(attempt.status_code, attempt.error, attempt.duration_ms)]


def _result_step(status_code: int | None, error: str, milliseconds: float | None) -> dict[str, Any]:
    text = _("%(ms)d ms in all") % {"ms": milliseconds} if milliseconds is not None else ""
    title = _("Answered %(status)s") % {"status": status_code} if status_code is not None else error_label(error)
    return timeline_item(title[:1].upper() + title[1:], "bad" if error else "ok", text=text)


def check_result(outcome: Outcome, url: str) -> dict[str, Any]:
    """Return the result of a URL check as lines, each with a tone, and a hint."""
    times, lines = outcome.timings_ms, []
    has_response = outcome.status_code is not None
    if times["dns"] is not None and outcome.error != "dns_failed":
        lines.append({"tone": "ok", "text": _("The name resolves.")})
    if has_response and url.startswith("https:"):
        lines.append({"tone": "ok", "text": _("The certificate is accepted.")})
    if has_response:
        params = {"status": outcome.status_code, "ms": outcome.duration_ms}
        tone = "warn" if outcome.error else "ok"
        lines.append({"tone": tone, "text": _("It answered %(status)s in %(ms)s ms.") % params})
        hint = _status_hint(outcome)
    else:
        word = error_label(outcome.error or "")
        # An address that the policy refuses must look like a closed port, so the result of the lookup isn't shown.
        lines = [] if outcome.error == "connection_failed" else lines
        lines.append({"tone": "bad", "text": word[:1].upper() + word[1:] + "."})
        hint = what_to_try(outcome.error or "", None, outcome.hint)
    return {"lines": lines, "hint": hint, "tone": lines[-1]["tone"]}


def _status_hint(outcome: Outcome) -> str:
    if outcome.error == "http_error" and outcome.status_code in (400, 401, 403):
        return _("The check carries no signature: a receiver that refuses it is right. Save, then send a test.")
    return what_to_try(outcome.error or "", outcome.status_code, outcome.hint)


def inbox_messages(deliveries: Sequence[Delivery]) -> list[dict[str, Any]]:
    """Return the messages of the test inbox: headers and body as signed, and the result of the signature check."""
    return [_inbox_message(each) for each in deliveries]


def _inbox_message(delivery: Delivery) -> dict[str, Any]:
    attempt = max(delivery.attempts.all(), key=lambda each: each.number, default=None)
    return {
        **delivery_context(delivery),
        "at": attempt.started_at if attempt else delivery.created_at,
        "headers": attempt_detail(attempt)["request_headers"] if attempt else "",
        "body": indented_body(delivery.event),
        "check": signature_check(delivery, attempt) if attempt else None,
    }

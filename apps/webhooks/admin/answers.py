"""Explain on the admin pages of deliveries, events and endpoints what happened to a webhook, and why."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.db.models import Sum
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from apps.audit.operator_admin import Cell, Panel, SummaryLine, change_url, changelist_url, local_time_text, table
from apps.webhooks.models import (
    Delivery,
    DeliveryStatus,
    Endpoint,
    EndpointHealth,
    EndpointStatus,
    Event,
    FanOutBatch,
    WorkerBeat,
)
from apps.webhooks.types.catalogue import patterns_for
from apps.webhooks.view_models.failure_labels import DISABLED_REASONS, NEXT_REASONS, error_label, what_to_try

MAX_SHOWN = 20
# A delivery that has been due for longer than this is reported as late.
LATE = timedelta(minutes=1)
UNUSED_FIELDS = ("endpoint__headers", "endpoint__event_types")
DELIVERIES = ("public_id", "event_type", "status", "attempt_count", "last_result", "created_at")


# A delivery


def explain_delivery(delivery: Delivery) -> Iterator[SummaryLine]:
    """Explain the state of a delivery and its next step."""
    params = {
        "attempts": delivery.attempt_count,
        "result": result_of(delivery.last_error, delivery.last_status_code),
        "at": local_time_text(delivery.finished_at),
        "next": local_time_text(delivery.next_attempt_at),
    }
    if delivery.status == DeliveryStatus.SUCCEEDED:
        yield SummaryLine("ok", _("Delivered on %(at)s: the endpoint responded with %(result)s.") % params)
    elif delivery.status == DeliveryStatus.EXHAUSTED:
        yield SummaryLine(
            "bad", _("Failed permanently on %(at)s. Attempts: %(attempts)s. Last result: %(result)s.") % params
        )
    elif delivery.status == DeliveryStatus.DROPPED:
        yield SummaryLine(
            "bad", _("Discarded on %(at)s: the endpoint was deleted, or held events were discarded.") % params
        )
    elif delivery.status == DeliveryStatus.HELD:
        yield SummaryLine("warn", _("On hold: it is sent once the endpoint is enabled and the organization is active."))
    elif delivery.status == DeliveryStatus.SENDING:
        yield SummaryLine("info", _("A worker is sending it now."))
    else:
        yield from _explain_pending(delivery, params)
    last = delivery.attempts.order_by("-number").only("error", "status_code", "hint").first()
    if last is not None and last.error and delivery.status != DeliveryStatus.SUCCEEDED:
        advice = what_to_try(last.error, last.status_code, last.hint)
        yield SummaryLine("info", _("For the customer: %(advice)s") % {"advice": advice})
    if delivery.status != DeliveryStatus.SUCCEEDED:
        yield from (line for line in explain_endpoint(delivery.endpoint) if line.tone in ("bad", "warn"))


def _explain_pending(delivery: Delivery, params: dict[str, Any]) -> Iterator[SummaryLine]:
    if delivery.attempt_count:
        why = NEXT_REASONS.get(delivery.next_attempt_reason, NEXT_REASONS["retry"])
        text = _("Attempts: %(attempts)s. Last result: %(result)s. Next attempt on %(next)s, %(why)s.")
        yield SummaryLine("warn", text % {**params, "why": why})
    else:
        yield SummaryLine("info", _("Waiting for its first attempt, due on %(next)s.") % params)
    if delivery.next_attempt_at and delivery.next_attempt_at < timezone.now() - LATE:
        yield SummaryLine(
            "bad", _("That is past: no worker has taken it yet."), changelist_url(WorkerBeat), _("Workers")
        )


def result_of(error: str, status_code: int | None) -> str:
    """Return the result of an attempt: its status code, its error, or both."""
    word = error_label(error) if error else ""
    return " · ".join(str(each) for each in (status_code, word) if each) or "–"


def attempts_of(delivery: Delivery) -> Panel:
    """Return the attempts of a delivery, newest first."""
    rows = delivery.attempts.defer("response_body", "request_headers", "response_headers").order_by("-number")
    columns = ("number", "started_at", "result", "advice", "duration_ms", "address")
    return table(_("Attempts"), rows[:MAX_SHOWN], columns, empty=_("None was made."))


# An event


def explain_event(event: Event) -> Iterator[SummaryLine]:
    """Explain how many endpoints an event matched, and whether all of its deliveries exist."""
    if event.test:
        yield SummaryLine("info", _("A test: it was sent to one endpoint only."))
    elif not event.match_count:
        text = _("No endpoint was subscribed to %(type)s when it was published, so nobody got it.")
        yield SummaryLine("bad", text % {"type": event.type})
    else:
        text = ngettext("It matched %(n)s endpoint.", "It matched %(n)s endpoints.", event.match_count)
        yield SummaryLine("ok", text % {"n": event.match_count})
    missing = FanOutBatch.objects.filter(event=event).aggregate(size=Sum("size"))["size"]
    if missing:
        text = _("Deliveries that workers still have to create: %(n)s.")
        yield SummaryLine("warn", text % {"n": missing}, changelist_url(WorkerBeat), _("Workers"))


def deliveries_of(event: Event) -> Panel:
    """Return the deliveries of an event, grouped by endpoint."""
    rows = Delivery.objects.filter(event=event).select_related("endpoint").defer(*UNUSED_FIELDS)
    return table(
        _("Deliveries"),
        rows.order_by("endpoint_id", "-pk")[:MAX_SHOWN],
        ("public_id", "endpoint", "status", "attempt_count", "last_result", "created_at"),
        empty=_("None."),
        more_url=changelist_url(Delivery, event.public_id),
    )


def endpoints_without(event: Event) -> Panel:
    """Return the organization's endpoints without a delivery of the event, each with the reason."""
    reached = Delivery.objects.filter(event=event).values("endpoint_id")
    rows = Endpoint.objects.filter(organization_id=event.organization_id).exclude(pk__in=reached).defer("headers")
    cells = [
        (Cell(endpoint.shown_url, change_url(endpoint)), Cell(state_of(endpoint)), Cell(why_not_sent(event, endpoint)))
        for endpoint in rows.order_by("-pk")[:MAX_SHOWN]
    ]
    return Panel(_("Endpoints without a delivery"), (_("Endpoint"), _("Now"), _("Why")), cells)


def why_not_sent(event: Event, endpoint: Endpoint) -> str:
    params = {
        "created": local_time_text(endpoint.created_at),
        "changed": local_time_text(endpoint.updated_at),
        "deleted": local_time_text(endpoint.deleted_at),
        "type": event.type,
        "types": ", ".join(endpoint.event_types),
    }
    if event.test:
        return _("A test goes to one endpoint only.")
    if endpoint.created_at > event.created_at:
        return _("Created after the event, on %(created)s.") % params
    if endpoint.deleted_at and endpoint.deleted_at <= event.created_at:
        return _("Deleted before the event, on %(deleted)s.") % params
    if not set(patterns_for(event.type)).intersection(endpoint.event_types):
        return _("Not subscribed to %(type)s, but to: %(types)s.") % params
    if FanOutBatch.objects.filter(event=event).exists():
        return _("Its delivery is still being created.")
    if endpoint.updated_at > event.created_at:
        return _("Subscribed now, but changed after the event, on %(changed)s. Its history says what changed.") % params
    return _("Its delivery is no longer kept.")


# An endpoint


def explain_endpoint(endpoint: Endpoint) -> Iterator[SummaryLine]:
    """Explain whether an endpoint receives its deliveries, and why not."""
    name, page = endpoint.shown_url, change_url(endpoint)
    if endpoint.deleted_at:
        yield SummaryLine(
            "bad", _("The endpoint was deleted on %(at)s.") % {"at": local_time_text(endpoint.deleted_at)}, page, name
        )
    elif endpoint.status == EndpointStatus.DISABLED:
        why = DISABLED_REASONS.get(endpoint.disabled_reason, endpoint.disabled_reason)
        params = {"at": local_time_text(endpoint.disabled_at), "why": why}
        yield SummaryLine("bad", _("The endpoint was disabled automatically on %(at)s. %(why)s") % params, page, name)
    elif endpoint.status == EndpointStatus.PAUSED:
        params = {"at": local_time_text(endpoint.paused_at), "who": endpoint.paused_by or "–"}
        text = _("The endpoint was paused on %(at)s by %(who)s. Its events are on hold.")
        yield SummaryLine("warn", text % params, page, name)
    elif endpoint.health == EndpointHealth.FAILING:
        params = {"since": local_time_text(endpoint.failing_since), "n": str(endpoint.failures_in_a_row)}
        text = _("The endpoint has been failing since %(since)s. Failures in a row: %(n)s.")
        yield SummaryLine("warn", text % params, page, name)
    else:
        yield SummaryLine("ok", _("The endpoint is enabled and healthy."))
    organization = endpoint.organization
    if organization.status != "active":
        text = _("The organization isn't active, so its events are on hold.")
        yield SummaryLine("bad", text, change_url(organization), str(organization))


def state_of(endpoint: Endpoint) -> str:
    if endpoint.deleted_at:
        return pgettext("endpoint", "Deleted")
    if endpoint.status == EndpointStatus.ENABLED:
        return str(endpoint.get_health_display())
    return str(endpoint.get_status_display())


def latest_deliveries(endpoint: Endpoint) -> Panel:
    rows = Delivery.objects.filter(endpoint=endpoint).order_by("-pk")[:MAX_SHOWN]
    more = changelist_url(Delivery, endpoint.public_id)
    return table(_("Latest deliveries"), rows, DELIVERIES, empty=_("None is kept."), more_url=more)

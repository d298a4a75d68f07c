"""Start and cancel replay jobs, which send the events of a period again, and resend selected deliveries."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.audit import actions as audit
from apps.base.actor import Actor
from apps.base.errors import Conflict, Invalid
from apps.base.identifiers import decode, uuid_at
from apps.base.permissions import Permission
from apps.base.rest.object_versions import ANY_VERSION, ExpectedVersion
from apps.base.timestamps import format_timestamp
from apps.webhooks.actions.checks import check_enabled, checked_limit
from apps.webhooks.actions.rows import lock_endpoint
from apps.webhooks.engine import claims, wakeup
from apps.webhooks.jobs.replays import ReplaySelection, lower_key_bound
from apps.webhooks.models import FINISHED_DELIVERIES, Delivery, DeliveryStatus, Endpoint, Event, ReplayJob, ReplayStatus
from apps.webhooks.types.catalogue import check_patterns
from apps.webhooks.types.scopes import require_scopes, types_hidden_from

MAX_RATE = 1000
MAX_UNFINISHED = 20
MAX_SELECTED = 200
REPLAYABLE = tuple(status.value for status in FINISHED_DELIVERIES)


def replay_selection(
    statuses: Iterable[str] = (DeliveryStatus.EXHAUSTED,),
    event_types: Iterable[str] = (),
    since: datetime | None = None,
    until: datetime | None = None,
) -> ReplaySelection:
    """Return a validated selection, or raise Invalid on ``status``, ``event_types`` or ``until``."""
    wanted = tuple(dict.fromkeys(statuses))
    if not wanted or any(status not in REPLAYABLE for status in wanted):
        raise Invalid.field("status", _("Choose from %(choices)s.") % {"choices": ", ".join(REPLAYABLE)})
    if since is not None and until is not None and since >= until:
        raise Invalid.field("until", _("until must be after since."))
    types = tuple(event_types)
    return ReplaySelection(wanted, tuple(check_patterns(types)) if types else (), since, until)


def count_replay(*, actor: Actor, endpoint_id: str, selection: ReplaySelection) -> int:
    """Return how many events a replay of this selection would send, whatever the endpoint's status."""
    actor.require(Permission.WEBHOOKS_WRITE)
    endpoint = Endpoint.objects.for_actor(actor).existing().with_public_id(endpoint_id)
    return _count_readable(actor, selection, selection.deliveries_to(endpoint.pk))


def start_replay(
    *, actor: Actor, endpoint_id: str, selection: ReplaySelection, rate_per_second: int | None = None
) -> ReplayJob:
    """Store a job, which workers execute, that sends the selected events again.

    ``rate_per_second`` defaults to the endpoint's rate limit. Raise Conflict unless the endpoint is enabled.
    """
    actor.require(Permission.WEBHOOKS_WRITE)
    checked_limit("rate_per_second", rate_per_second, MAX_RATE)
    endpoint = Endpoint.objects.for_actor(actor).existing().with_public_id(endpoint_id)
    check_enabled(endpoint)
    now = timezone.now()
    ends_before = uuid_at(now)
    # Counted before the transaction, because a slow count must not block the endpoint or, on SQLite, all writers.
    count = _count_readable(actor, selection, selection.deliveries_to(endpoint.pk).filter(pk__lt=ends_before))
    with transaction.atomic():
        actor.require(Permission.WEBHOOKS_WRITE)
        endpoint = lock_endpoint(actor, endpoint_id)
        check_enabled(endpoint)
        _check_unfinished(endpoint)
        job: ReplayJob = ReplayJob.objects.create(
            organization_id=endpoint.organization_id,
            endpoint=endpoint,
            status=ReplayStatus.RUNNING if count else ReplayStatus.DONE,
            since=selection.since,
            until=selection.until,
            statuses=list(selection.statuses),
            event_types=list(selection.event_types),
            rate_per_second=rate_per_second,
            count=count,
            cursor=lower_key_bound(selection),
            ends_before=ends_before,
            created_at=now,
            created_by_kind=actor.kind.value,
            created_by_id=actor.id,
            created_by_label=actor.label,
            finished_at=None if count else now,
            count_again_at=now if count else None,
        )
        audit.record_change(actor, "replay.started", job, _audit_values(job))
    return job


@transaction.atomic
def cancel_replay(*, actor: Actor, replay_id: str, expected: ExpectedVersion = ANY_VERSION) -> ReplayJob:
    """Cancel a job before its next batch; deliveries it has created are still sent. Raise Conflict if it is done."""
    actor.require(Permission.WEBHOOKS_WRITE)
    rows = ReplayJob.objects.for_actor(actor).select_related("endpoint").select_for_update(of=("self",))
    job: ReplayJob = rows.with_public_id(replay_id)
    expected.check(job.version)
    if job.status == ReplayStatus.DONE:
        raise Conflict(_("The replay is done already."))
    if job.status != ReplayStatus.CANCELLED:
        before = job.status
        job.status = ReplayStatus.CANCELLED
        ReplayJob.objects.filter(pk=job.pk).update(status=job.status, finished_at=Now())
        job.refresh_from_db(fields=["finished_at"])
        changes: dict[str, list[Any]] = {"status": [before, "cancelled"], "sent": [None, job.sent]}
        audit.record_change(actor, "replay.cancelled", job, changes)
    return job


@transaction.atomic
def retry_deliveries(*, actor: Actor, endpoint_id: str, delivery_ids: Sequence[str]) -> int:
    """Resend deliveries of one endpoint, with one audit entry, and return their number.

    Deliveries for which ``retry_delivery`` raises Conflict are skipped. Raise Conflict if all are skipped.
    """
    actor.require(Permission.WEBHOOKS_WRITE)
    if not 1 <= len(delivery_ids) <= MAX_SELECTED:
        raise Invalid.field("deliveries", _("Choose 1 to %(most)s deliveries.") % {"most": MAX_SELECTED})
    endpoint = lock_endpoint(actor, endpoint_id)
    check_enabled(endpoint)
    keys = [key for text in delivery_ids if (key := decode(Delivery.id_prefix, text))]
    rows = Delivery.objects.for_actor(actor).filter(pk__in=keys, endpoint=endpoint).order_by("pk")
    require_scopes(actor, {each.event_type for each in rows if not each.test})
    # Locked, so that retention cannot delete a payload between this check and the new delivery.
    events = Event.objects.filter(pk__in=rows.values("event"), body__isnull=False).select_for_update(no_key=True)
    with_payload = set(events.order_by("pk").values_list("pk", flat=True))
    sent = sum(_resend(each, with_payload) for each in rows.select_related("event", "endpoint"))
    if not sent:
        raise Conflict(_("None of these can be sent again: they are being sent or held, or their payload is gone."))
    audit.record_change(actor, "endpoint.deliveries_retried", endpoint, {"deliveries": [None, sent]})
    transaction.on_commit(wakeup.notify_workers)
    return sent


def _resend(delivery: Delivery, with_payload: set[Any]) -> bool:
    if delivery.status in FINISHED_DELIVERIES:
        return delivery.event_id in with_payload and bool(claims.resend(delivery))
    return claims.send_now(delivery.pk)


def _count_readable(actor: Actor, selection: ReplaySelection, rows: QuerySet[Delivery]) -> int:
    """Count the rows, or raise Forbidden unless the actor can read them all and all selected event types."""
    require_scopes(actor, selection.event_types)
    hidden = types_hidden_from(actor, "event_type")
    if hidden is not None:
        require_scopes(actor, rows.filter(hidden).values_list("event_type", flat=True)[:1])
    return rows.count()


def _check_unfinished(endpoint: Endpoint) -> None:
    """Raise Conflict if the organization has MAX_UNFINISHED jobs; concurrent replays of endpoints can exceed this."""
    unfinished = ReplayJob.objects.unfinished().filter(organization_id=endpoint.organization_id)
    if unfinished.count() >= MAX_UNFINISHED:
        raise Conflict(_("%(most)s replays are running. Wait for one, or stop one.") % {"most": MAX_UNFINISHED})


def _audit_values(job: ReplayJob) -> dict[str, list[Any]]:
    """Return the filters of the job that are set, as changes for the audit log."""
    chosen = {
        "since": format_timestamp(job.since),
        "until": format_timestamp(job.until),
        "status": job.statuses,
        "event_types": job.event_types,
        "rate_per_second": job.rate_per_second,
        "count": job.count,
    }
    return {name: [None, value] for name, value in chosen.items() if value not in (None, [])}

"""Mark endpoints as failing, recovered or disabled, each change exactly once.

An endpoint is failing after 10 failed attempts in a row, or 3 exhausted deliveries without a success in between. It is
disabled when it has failed for five days and at least 10 times without a success, or at once after a 410 response. The
next success of a failing endpoint, or of one that a user enabled again, publishes ``endpoint.recovered``. A new URL
resets the health, and late responses from the old URL are ignored.
"""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Coalesce, Now

from apps.audit import actions as audit
from apps.base.actor import system
from apps.base.permissions import Permission
from apps.base.timestamps import format_timestamp, format_timestamp_ms
from apps.notices import actions as notices
from apps.webhooks import publishing
from apps.webhooks.engine import claims
from apps.webhooks.engine.network_watch import RECENT_RESPONSE_SECONDS, host_of
from apps.webhooks.models import Delivery, DeliveryStatus, Endpoint, EndpointHealth, EndpointStatus

FAILURES_TO_FAIL = 10
EXHAUSTED_TO_FAIL = 3
DISABLE_AFTER = timedelta(days=5)
# ``last_success_at`` of a healthy endpoint is updated at most this often.
SUCCESS_WRITTEN_EVERY = timedelta(seconds=10)

# Notices about an endpoint: prefixes of their dedupe keys.
NOTICE_KINDS = ("endpoint.failing", "endpoint.disabled", "endpoint.recovered")

FAILING_CONDITION = Q(failures_in_a_row__gte=FAILURES_TO_FAIL) | Q(exhausted_in_a_row__gte=EXHAUSTED_TO_FAIL)


class AttemptTarget(NamedTuple):
    """An endpoint, and its URL at the time when the attempts were claimed."""

    endpoint_id: uuid.UUID
    url: str


@dataclass(slots=True)
class Tally:
    """The results of one batch of attempts to one endpoint; ``failures`` and ``exhausted`` restart at a success."""

    succeeded: bool = False
    failures: int = 0
    exhausted: int = 0
    gone: bool = False

    def add(self, succeeded: bool, exhausted: bool, gone: bool) -> None:
        """Add the next attempt; call in the order in which attempts finished."""
        if succeeded:
            self.succeeded, self.failures, self.exhausted = True, 0, 0
        else:
            self.failures += 1
            self.exhausted += exhausted
        self.gone = self.gone or gone


def update_health(tallies: dict[AttemptTarget, Tally]) -> None:
    """Store the counts of a batch of attempts and change the state of endpoints that passed a threshold."""
    _store_successes({target for target, tally in tallies.items() if tally.succeeded})
    for target in sorted(target for target, tally in tallies.items() if tally.failures):
        _store_failures(target, tallies[target])
    for target in sorted(target for target, tally in tallies.items() if tally.gone):
        disable(target.endpoint_id, "gone", target.url)


def responded_recently(endpoint_ids: Iterable[uuid.UUID]) -> set[uuid.UUID]:
    """Return those of the endpoints that accepted a delivery within the last 24 hours."""
    rows = Endpoint.objects.filter(pk__in=list(endpoint_ids))
    recent = rows.filter(last_success_at__gt=Now() - timedelta(seconds=RECENT_RESPONSE_SECONDS))
    return set(recent.values_list("pk", flat=True))


def _store_successes(targets: set[AttemptTarget]) -> None:
    """Reset the failure counts; first check with one query whether any row has to change."""
    stale = Q(last_success_at=None) | Q(last_success_at__lt=Now() - SUCCESS_WRITTEN_EVERY)
    worth_writing = stale | Q(failures_in_a_row__gt=0) | Q(exhausted_in_a_row__gt=0) | Q(is_trouble_told=True)
    # A late success does not enable a disabled endpoint: a user has to do that.
    keys = {each.endpoint_id for each in targets}
    rows = Endpoint.objects.filter(worth_writing, pk__in=keys).exclude(status=EndpointStatus.DISABLED)
    if not targets or not rows.exists():
        return
    with transaction.atomic():
        # In key order, so that two workers with the same endpoints cannot deadlock.
        locked = rows.order_by("pk").select_for_update(no_key=True).values_list("pk", "url", "is_trouble_told")
        found = {key: is_trouble_told for key, url, is_trouble_told in locked if (key, url) in targets}
        Endpoint.objects.filter(pk__in=found).update(
            failures_in_a_row=0, exhausted_in_a_row=0, failing_since=None, last_success_at=Now()
        )
    for key, is_trouble_told in found.items():
        if is_trouble_told:
            _mark_recovered(key)


def _store_failures(target: AttemptTarget, tally: Tally) -> None:
    endpoint_id = target.endpoint_id
    Endpoint.objects.filter(pk=endpoint_id, url=target.url).update(
        failures_in_a_row=F("failures_in_a_row") + tally.failures,
        exhausted_in_a_row=F("exhausted_in_a_row") + tally.exhausted,
        failing_since=Coalesce("failing_since", Now()),
    )
    if Endpoint.objects.filter(FAILING_CONDITION, pk=endpoint_id, health=EndpointHealth.HEALTHY).exists():
        _mark_failing(endpoint_id)
    if _due_to_be_disabled().filter(pk=endpoint_id).exists():
        disable(endpoint_id, "failing")


def _due_to_be_disabled() -> Any:
    old = Q(failing_since__lte=Now() - DISABLE_AFTER, failures_in_a_row__gte=FAILURES_TO_FAIL)
    return Endpoint.objects.existing().filter(old).exclude(status=EndpointStatus.DISABLED)


@transaction.atomic
def _mark_failing(endpoint_id: uuid.UUID) -> None:
    rows = Endpoint.objects.existing().filter(FAILING_CONDITION, pk=endpoint_id, health=EndpointHealth.HEALTHY)
    values = {"health": EndpointHealth.FAILING, "is_trouble_told": True}
    if rows.exclude(status=EndpointStatus.DISABLED).update(**values):
        endpoint = Endpoint.objects.get(pk=endpoint_id)
        changes = {"health": [EndpointHealth.HEALTHY.value, EndpointHealth.FAILING.value]}
        since = endpoint.failing_since
        details = {"failures": endpoint.failures_in_a_row, "failing_since": format_timestamp(since)}
        _audit_and_publish(endpoint, "endpoint.failing", changes, details, "warn", since)


@transaction.atomic
def _mark_recovered(endpoint_id: uuid.UUID) -> None:
    rows = Endpoint.objects.existing().filter(pk=endpoint_id, is_trouble_told=True, failures_in_a_row=0)
    rows = rows.exclude(status=EndpointStatus.DISABLED)
    before = rows.values_list("health", flat=True).first()
    if before is not None and rows.update(health=EndpointHealth.HEALTHY, is_trouble_told=False):
        endpoint = Endpoint.objects.get(pk=endpoint_id)
        # An endpoint that a user enabled again is healthy already.
        is_changed = before != EndpointHealth.HEALTHY
        changes = {"health": [before, EndpointHealth.HEALTHY.value]} if is_changed else {}
        resolve_notices(endpoint)
        _audit_and_publish(endpoint, "endpoint.recovered", changes, {}, "ok", endpoint.last_success_at)


def resolve_notices(endpoint: Endpoint) -> None:
    """Resolve the notices about an endpoint that failed or was disabled."""
    for kind in ("endpoint.failing", "endpoint.disabled"):
        notices.resolve(organization_id=endpoint.organization_id, dedupe_prefix=f"{kind}:{endpoint.public_id}:")


def retire_notices(endpoint: Endpoint) -> None:
    """Retire all notices about a deleted endpoint, whose page no longer exists."""
    for kind in NOTICE_KINDS:
        notices.resolve_deleted(
            organization_id=endpoint.organization_id,
            dedupe_prefix=f"{kind}:{endpoint.public_id}:",
            path="settings/integration/webhooks/",
        )


@transaction.atomic
def disable(endpoint_id: uuid.UUID, reason: str, url: str | None = None) -> bool:
    """Disable an endpoint, hold its deliveries, and return whether it was disabled.

    ``reason`` is ``gone`` or ``failing``. With ``url``, only an endpoint that still has this URL is disabled. For
    ``failing``, an endpoint with a delivered event since the failures began is not disabled, even if the worker died
    before it stored that success in the health.
    """
    if reason == "failing" and _has_succeeded_meanwhile(endpoint_id):
        _store_successes({AttemptTarget(*Endpoint.objects.values_list("pk", "url").get(pk=endpoint_id))})
        return False
    rows = (
        Endpoint.objects.existing().exclude(status=EndpointStatus.DISABLED)
        if reason == "gone"
        else _due_to_be_disabled()
    )
    rows = rows if url is None else rows.filter(url=url)
    before = rows.filter(pk=endpoint_id).values_list("status", flat=True).first()
    values: dict[str, Any] = {"status": EndpointStatus.DISABLED, "disabled_reason": reason, "disabled_at": Now()}
    values["is_trouble_told"] = True
    if before is None or not rows.filter(pk=endpoint_id).update(**values):
        return False
    claims.hold(endpoint_id)
    endpoint = Endpoint.objects.get(pk=endpoint_id)
    changes = {"status": [before, EndpointStatus.DISABLED.value], "reason": [None, reason]}
    _audit_and_publish(endpoint, "endpoint.disabled", changes, {"reason": reason}, "bad", endpoint.disabled_at)
    return True


def _has_succeeded_meanwhile(endpoint_id: uuid.UUID) -> bool:
    """Return whether a delivery succeeded since the failures began, according to the deliveries themselves."""
    since = Endpoint.objects.filter(pk=endpoint_id).values_list("failing_since", flat=True).first()
    succeeded = Delivery.objects.filter(endpoint_id=endpoint_id, status=DeliveryStatus.SUCCEEDED, test=False)
    return since is not None and succeeded.filter(finished_at__gte=since).exists()


def _audit_and_publish(
    endpoint: Endpoint,
    action: str,
    changes: dict[str, list[Any]],
    details: dict[str, Any],
    severity: str,
    since: datetime | None,
) -> None:
    """Write the audit entry, post the notice and publish the event, in the transaction of the change.

    ``since`` makes the dedupe key of the notice differ from that of the endpoint's next notice of the same kind.
    """
    audit.record_change(system(endpoint.organization_id), action, endpoint, changes)
    notices.notify(
        organization_id=endpoint.organization_id,
        kind=action,
        dedupe_key=f"{action}:{endpoint.public_id}:{format_timestamp_ms(since)}",
        severity=severity,
        params={"host": host_of(endpoint.url), **details},
        path=f"settings/integration/webhooks/{endpoint.public_id}/",
        permission=Permission.WEBHOOKS_WRITE,
    )
    publishing.publish(
        organization_id=endpoint.organization_id,
        event_type=action,
        data={"id": endpoint.public_id, "url": endpoint.shown_url, "description": endpoint.description, **details},
    )


def reset_health(endpoint: Endpoint) -> list[str]:
    """Reset the health on the object, close its notices and return the fields to save."""
    endpoint.failures_in_a_row = endpoint.exhausted_in_a_row = 0
    endpoint.failing_since, endpoint.health = None, EndpointHealth.HEALTHY
    resolve_notices(endpoint)
    return ["failures_in_a_row", "exhausted_in_a_row", "failing_since", "health"]


def tally_attempts(attempts: Iterable[tuple[AttemptTarget, bool, bool, bool]]) -> dict[AttemptTarget, Tally]:
    """Add up attempts, given as (target, succeeded, exhausted, gone) in the order in which they finished."""
    tallies: dict[AttemptTarget, Tally] = {}
    for target, *result in attempts:
        tallies.setdefault(target, Tally()).add(*result)
    return tallies

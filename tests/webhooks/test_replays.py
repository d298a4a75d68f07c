"""Replay jobs: chosen once, made once, at their rate, by whatever worker comes by."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from apps.audit.models import AuditEntry
from apps.base.errors import Conflict, Forbidden, Invalid, NotFound
from apps.orgs.models import Organization
from apps.webhooks import actions, replays
from apps.webhooks.models import Delivery, Endpoint, Event, ReplayJob
from tests.engines import developer, engine, in_threads, make_endpoint, publish
from tests.receivers import Receiver

pytestmark = pytest.mark.django_db


def add_finished(endpoint: Endpoint, count: int, status: str = "exhausted", **values: Any) -> list[Delivery]:
    """Put deliveries in place that ended with the status, each of an event of its own, oldest first."""
    events = [publish(endpoint.organization, **values).event_id for _ in range(count)]
    rows = Delivery.objects.filter(event__in=events, endpoint=endpoint)
    rows.update(status=status, next_attempt_at=None, attempt_count=10, finished_at=timezone.now())
    return list(rows.order_by("pk"))


def start(endpoint: Endpoint, *statuses: str, rate: int | None = None, **chosen: Any) -> ReplayJob:
    choice = actions.replay_choice(**({"statuses": statuses} if statuses else {}), **chosen)
    actor = developer(endpoint.organization)
    return actions.start_replay(actor=actor, endpoint_id=endpoint.public_id, choice=choice, rate_per_second=rate)


def made_by(job: ReplayJob) -> list[Delivery]:
    return list(Delivery.objects.filter(replay_job=job).order_by("pk"))


def end(job: ReplayJob, status: str = "succeeded", **values: Any) -> None:
    """Let the deliveries that a job made so far end."""
    Delivery.objects.filter(replay_job=job, attempt_count=0).update(status=status, attempt_count=1, **values)


def test_each_chosen_event_is_sent_once_with_its_id(acme: Organization) -> None:
    endpoint = make_endpoint(acme)
    failed = add_finished(endpoint, 3)
    add_finished(endpoint, 2, "succeeded")
    job = start(endpoint)
    assert (job.count, job.status, replays.advance()) == (3, "running", 3)
    made = made_by(job)
    assert [(each.event_id, each.replay_of_id) for each in made] == [(each.event_id, each.pk) for each in failed]
    assert {(each.status, each.attempt_count, each.test) for each in made} == {("pending", 0, False)}
    assert replays.advance() == 0
    end(job)
    replays.advance()
    job.refresh_from_db()
    assert (job.status, job.sent, job.succeeded, job.failed, job.count_again_at) == ("done", 3, 3, 0, None)

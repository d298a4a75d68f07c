"""Replay jobs: each selected event is sent once, at the chosen rate, by any worker."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from apps.audit.models import AuditEntry
from apps.base.actor import Actor, ActorKind
from apps.base.errors import Conflict, Forbidden, Invalid, NotFound
from apps.orgs.models import Organization
from apps.webhooks import actions
from apps.webhooks.jobs import replays
from apps.webhooks.models import Delivery, Endpoint, Event, ReplayJob
from tests.engines import LOOPBACK, developer, engine, in_threads, make_endpoint, publish
from tests.receivers import Receiver

pytestmark = pytest.mark.django_db


def add_finished(endpoint: Endpoint, count: int, status: str = "exhausted", **values: Any) -> list[Delivery]:
    """Create finished deliveries with the status, each of another event, oldest first."""
    events = [publish(endpoint.organization, **values).event_id for _ in range(count)]
    rows = Delivery.objects.filter(event__in=events, endpoint=endpoint)
    rows.update(status=status, next_attempt_at=None, attempt_count=10, finished_at=timezone.now())
    return list(rows.order_by("pk"))


def start(endpoint: Endpoint, *statuses: str, rate: int | None = None, **chosen: Any) -> ReplayJob:
    selection = actions.replay_selection(**({"statuses": statuses} if statuses else {}), **chosen)
    actor = developer(endpoint.organization)
    return actions.start_replay(actor=actor, endpoint_id=endpoint.public_id, selection=selection, rate_per_second=rate)


def made_by(job: ReplayJob) -> list[Delivery]:
    return list(Delivery.objects.filter(replay_job=job).order_by("pk"))


def end(job: ReplayJob, status: str = "succeeded", **values: Any) -> None:
    """Finish the first attempt of the deliveries that a job has created so far."""
    Delivery.objects.filter(replay_job=job, attempt_count=0).update(status=status, attempt_count=1, **values)


def state_of(job: ReplayJob) -> tuple[str, int, int, int]:
    job.refresh_from_db()
    return job.status, job.sent, job.succeeded, job.failed


def recorded(job: ReplayJob) -> list[str]:
    entries = AuditEntry.objects.filter(target_id=job.public_id).order_by("pk")
    return list(entries.values_list("action", flat=True))


# Selections


def test_each_chosen_event_is_sent_once_with_its_id(acme: Organization) -> None:
    endpoint = make_endpoint(acme)
    failed = add_finished(endpoint, 3)
    add_finished(endpoint, 2, "succeeded")
    job = start(endpoint)
    assert (job.count, job.status, replays.advance()) == (3, "running", 3)
    made = made_by(job)
    assert [(each.event_id, each.replay_of_id) for each in made] == [(each.event_id, each.pk) for each in failed]
    assert {(each.status, each.attempt_count, each.test) for each in made} == {("pending", 0, False)}
    assert replays.advance() == 0 and state_of(job) == ("running", 3, 0, 0)
    end(job)
    replays.advance()
    assert state_of(job) == ("done", 3, 3, 0)
    assert job.count_again_at is None and recorded(job) == ["replay.started"]


def test_an_event_counts_by_its_newest_delivery_here(acme: Organization) -> None:
    endpoint, other = make_endpoint(acme), make_endpoint(acme, "https://other.example.com/in")
    first, second = add_finished(endpoint, 2)
    again = actions.retry_delivery(actor=developer(acme), delivery_id=first.public_id)
    Delivery.objects.filter(pk=again.pk).update(status="succeeded", next_attempt_at=None)
    assert Delivery.objects.filter(endpoint=other, event=second.event_id).exists()
    selection = actions.replay_selection()
    assert [each.pk for each in selection.deliveries_to(endpoint.pk)] == [second.pk]
    Delivery.objects.filter(pk=again.pk).update(status="exhausted")
    assert {each.pk for each in selection.deliveries_to(endpoint.pk)} == {second.pk, again.pk}


def test_the_span_is_of_events_and_types_are_names_or_patterns(acme: Organization) -> None:
    endpoint = make_endpoint(acme, "https://hooks.example.com/in", "*")
    now = timezone.now()
    old = add_finished(endpoint, 2, created_at=now - timedelta(days=3))
    new = add_finished(endpoint, 1, created_at=now - timedelta(hours=1))
    paid = add_finished(endpoint, 1, event_type="invoice.paid", created_at=now - timedelta(hours=1))

    def chosen(**values: Any) -> list[Delivery]:
        return list(actions.replay_selection(**values).deliveries_to(endpoint.pk).order_by("pk"))

    assert chosen(since=now - timedelta(days=1), event_types=["order.*"]) == new
    assert chosen(until=now - timedelta(days=1)) == old
    assert chosen(since=now - timedelta(days=3), until=now - timedelta(hours=1)) == old
    assert chosen(event_types=["invoice.paid"]) == paid
    assert len(chosen(event_types=["*"])) == len(chosen()) == 4


def test_tests_and_pruned_payloads_are_never_chosen(acme: Organization) -> None:
    endpoint = make_endpoint(acme)
    (pruned,) = add_finished(endpoint, 1)
    Event.objects.filter(pk=pruned.event_id).update(body=None)
    test = actions.send_test(actor=developer(acme), endpoint_id=endpoint.public_id)
    Delivery.objects.filter(pk=test.pk).update(status="exhausted", next_attempt_at=None)
    job = start(endpoint)
    assert (job.count, job.status, replays.advance()) == (0, "done", 0)


def test_what_was_sent_again_meanwhile_is_passed_by(acme: Organization) -> None:
    endpoint = make_endpoint(acme)
    first, _second = add_finished(endpoint, 2)
    job, twin = start(endpoint), start(endpoint)
    actions.retry_delivery(actor=developer(acme), delivery_id=first.public_id)
    assert replays.advance() == 1
    end(job)
    end(twin)
    replays.advance()
    assert {state_of(job)[0], state_of(twin)[0]} == {"done"} and job.sent + twin.sent == 1


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"statuses": ["pending"]}, "status"),
        ({"statuses": []}, "status"),
        ({"event_types": ["no.such"]}, "event_types"),
        ({"since": timezone.now(), "until": timezone.now() - timedelta(days=1)}, "until"),
    ],
)
def test_what_cannot_be_chosen(acme: Organization, values: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        actions.replay_selection(**values)
    assert list(refused.value.fields or {}) == [field]


# Progress


def test_batches_go_on_where_the_last_one_ended(acme: Organization, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replays, "BATCH_SIZE", 2)
    endpoint = make_endpoint(acme)
    failed = add_finished(endpoint, 5)
    job = start(endpoint)
    assert [replays.advance_job(job.pk) for _ in range(3)] == [(2, True), (2, True), (1, False)]
    assert [each.event_id for each in made_by(job)] == [each.event_id for each in failed]
    assert replays.advance_job(job.pk) == (0, False)


def test_a_worker_that_dies_within_a_batch_leaves_nothing_of_it(
    acme: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint = make_endpoint(acme)
    add_finished(endpoint, 3)
    job = start(endpoint)
    with monkeypatch.context() as patch:
        patch.setattr(ReplayJob, "save", lambda *_args, **_values: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            replays.advance_job(job.pk)
    assert made_by(job) == [] and replays.advance() == 3


def test_a_long_log_is_walked_in_windows(acme: Organization, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replays, "SCAN_SIZE", 3)
    endpoint = make_endpoint(acme)
    add_finished(endpoint, 1)
    add_finished(endpoint, 8, "succeeded")
    add_finished(endpoint, 1)
    job = start(endpoint)
    assert replays.advance_job(job.pk) == (1, True)
    assert replays.advance() == 1 and len(made_by(job)) == job.count == 2


@pytest.mark.django_db(transaction=True)
def test_many_workers_make_each_delivery_once(acme: Organization, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replays, "BATCH_SIZE", 3)
    endpoint = make_endpoint(acme)
    add_finished(endpoint, 40)
    job = start(endpoint)
    in_threads(6, lambda _number: [replays.advance() for _ in range(3)])
    made = made_by(job)
    assert len(made) == len({each.event_id for each in made}) == 40
    assert state_of(job)[1] == 40


def test_the_rate_is_kept_over_rounds_and_workers(acme: Organization) -> None:
    endpoint = make_endpoint(acme)
    add_finished(endpoint, 40)
    job = start(endpoint, rate=10)
    began = timezone.now()
    made = sum(replays.advance() for _ in range(4))
    # Two seconds ahead, plus the time that passed meanwhile.
    assert 20 <= made <= 20 + 10 * ((timezone.now() - began).total_seconds() + 1)
    moments = [each.next_attempt_at for each in made_by(job)]
    gaps = [(later - earlier).total_seconds() for earlier, later in zip(moments, moments[1:], strict=False)]
    assert min(gaps) >= 0.0999 and moments[0] <= timezone.now()


def test_no_more_is_made_while_too_many_wait(acme: Organization, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replays, "MAX_UNATTEMPTED", 4)
    endpoint = make_endpoint(acme)
    add_finished(endpoint, 6)
    job = start(endpoint)
    assert (replays.advance(), replays.advance()) == (4, 0)
    end(job, "pending", last_error="http_error")
    assert replays.advance() == 2


def test_done_says_what_failed_so_far_and_goes_on_counting(acme: Organization) -> None:
    endpoint = make_endpoint(acme)
    add_finished(endpoint, 2)
    job = start(endpoint)
    replays.advance()
    end(job, "pending", last_error="http_error")
    replays.advance()
    assert state_of(job) == ("done", 2, 0, 2) and job.count_again_at is not None
    Delivery.objects.filter(replay_job=job).update(status="succeeded", last_error="", next_attempt_at=None)
    ReplayJob.objects.filter(pk=job.pk).update(count_again_at=timezone.now() - timedelta(seconds=1))
    replays.advance()
    assert state_of(job) == ("done", 2, 2, 0) and job.count_again_at is None


def test_a_paused_endpoint_pauses_it_and_enabling_goes_on(acme: Organization) -> None:
    endpoint, actor = make_endpoint(acme), developer(acme)
    add_finished(endpoint, 2)
    job = start(endpoint)
    actions.pause_endpoint(actor=actor, endpoint_id=endpoint.public_id)
    assert replays.advance() == 0 and state_of(job)[0] == "paused"
    actions.enable_endpoint(actor=actor, endpoint_id=endpoint.public_id)
    assert replays.advance() == 2 and state_of(job)[:2] == ("running", 2)


def test_a_suspended_organization_pauses_it(acme: Organization) -> None:
    endpoint = make_endpoint(acme)
    add_finished(endpoint, 1)
    job = start(endpoint)
    Organization.objects.filter(pk=acme.pk).update(status="suspended")
    assert replays.advance() == 0 and state_of(job)[0] == "paused"


def test_deleting_the_endpoint_ends_it(acme: Organization) -> None:
    endpoint = make_endpoint(acme)
    add_finished(endpoint, 2)
    job = start(endpoint)
    actions.delete_endpoint(actor=developer(acme), endpoint_id=endpoint.public_id)
    assert state_of(job)[0] == "cancelled" and replays.advance() == 0


def test_a_cancelled_one_makes_no_more_and_what_it_made_is_sent(acme: Organization, monkeypatch) -> None:
    monkeypatch.setattr(replays, "BATCH_SIZE", 2)
    endpoint, actor = make_endpoint(acme), developer(acme)
    add_finished(endpoint, 5)
    job = start(endpoint)
    replays.advance_job(job.pk)
    for _ in range(2):
        assert actions.cancel_replay(actor=actor, replay_id=job.public_id).status == "cancelled"
    assert replays.advance() == 0 and [each.status for each in made_by(job)] == ["pending"] * 2
    assert recorded(job) == ["replay.started", "replay.cancelled"]
    done = start(make_endpoint(acme, "https://other.example.com/"))
    with pytest.raises(Conflict):
        actions.cancel_replay(actor=actor, replay_id=done.public_id)


@pytest.mark.django_db(transaction=True)
def test_the_receiver_gets_the_same_id_and_body_again(acme: Organization, receiver: Receiver, settings: Any) -> None:
    settings.WEBHOOK_ALLOW_CIDRS = LOOPBACK
    endpoint = make_endpoint(acme, receiver.url)
    publish(acme)
    engine().run_until_idle()
    job = start(endpoint, "succeeded")
    replays.advance()
    engine().run_until_idle()
    replays.advance()
    first, second = receiver.requests
    assert first.body == second.body and first.headers["webhook-id"] == second.headers["webhook-id"]
    assert state_of(job) == ("done", 1, 1, 0)


# Permissions and conflicts


def test_only_an_enabled_endpoint_gets_a_replay_and_counting_is_always_possible(acme: Organization) -> None:
    endpoint, actor = make_endpoint(acme), developer(acme)
    add_finished(endpoint, 1)
    actions.pause_endpoint(actor=actor, endpoint_id=endpoint.public_id)
    with pytest.raises(Conflict):
        start(endpoint)
    selection = actions.replay_selection()
    assert actions.count_replay(actor=actor, endpoint_id=endpoint.public_id, selection=selection) == 1
    assert not ReplayJob.objects.exists()


def test_a_viewer_may_not_and_a_stranger_finds_nothing(acme: Organization, rival: Organization) -> None:
    endpoint = make_endpoint(acme)
    add_finished(endpoint, 1)
    job = start(endpoint)
    viewer = Actor(ActorKind.USER, "user_x", "Vera", acme.pk, frozenset({"webhooks:read"}), role="viewer")
    selection = actions.replay_selection()
    for actor, refusal in ((viewer, Forbidden), (developer(rival), NotFound)):
        for act, values in (
            (actions.start_replay, {"endpoint_id": endpoint.public_id, "selection": selection}),
            (actions.count_replay, {"endpoint_id": endpoint.public_id, "selection": selection}),
            (actions.cancel_replay, {"replay_id": job.public_id}),
            (actions.retry_deliveries, {"endpoint_id": endpoint.public_id, "delivery_ids": ["dlv_1"]}),
        ):
            with pytest.raises(refusal):
                act(actor=actor, **values)
    assert ReplayJob.objects.count() == 1 and recorded(job) == ["replay.started"]


def test_twenty_unfinished_are_enough(acme: Organization) -> None:
    endpoint = make_endpoint(acme)
    add_finished(endpoint, 1)
    for _ in range(20):
        start(endpoint)
    with pytest.raises(Conflict):
        start(endpoint)


# Resending several deliveries


def test_ticked_deliveries_go_again_with_one_entry(acme: Organization, rival: Organization) -> None:
    endpoint = make_endpoint(acme)
    failed, good, pruned = add_finished(endpoint, 3)
    Delivery.objects.filter(pk=good.pk).update(status="succeeded")
    Event.objects.filter(pk=pruned.event_id).update(body=None)
    publish(acme)
    waiting = Delivery.objects.get(status="pending")
    Delivery.objects.filter(pk=waiting.pk).update(next_attempt_at=timezone.now() + timedelta(hours=1))
    (strange,) = add_finished(make_endpoint(rival), 1)
    ids = [each.public_id for each in (failed, good, pruned, waiting, strange)] + ["dlv_nonsense"]
    assert actions.retry_deliveries(actor=developer(acme), endpoint_id=endpoint.public_id, delivery_ids=ids) == 3
    again = Delivery.objects.exclude(replay_of_id=None)
    assert {each.replay_of_id for each in again} == {failed.pk, good.pk}
    waiting.refresh_from_db()
    assert waiting.next_attempt_at <= timezone.now() and waiting.next_attempt_reason == "manual"
    entry = AuditEntry.objects.get(action="endpoint.deliveries_retried")
    assert (entry.target_id, entry.changes) == (endpoint.public_id, {"deliveries": [None, 3]})


def test_a_selection_of_nothing_that_can_go_is_a_conflict(acme: Organization) -> None:
    endpoint, actor = make_endpoint(acme), developer(acme)
    (pruned,) = add_finished(endpoint, 1)
    Event.objects.filter(pk=pruned.event_id).update(body=None)
    with pytest.raises(Conflict):
        actions.retry_deliveries(actor=actor, endpoint_id=endpoint.public_id, delivery_ids=[pruned.public_id])
    for wrong in ([], ["dlv_x"] * 201):
        with pytest.raises(Invalid):
            actions.retry_deliveries(actor=actor, endpoint_id=endpoint.public_id, delivery_ids=wrong)
    assert not AuditEntry.objects.filter(action="endpoint.deliveries_retried").exists()

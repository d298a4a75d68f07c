"""What is too old goes, a window at a time; what still waits never does."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from apps.base.errors import Conflict
from apps.base.identifiers import uuid_at
from apps.base.models import SpentForm
from apps.base.web import forms
from apps.orgs.models import Organization
from apps.webhooks import actions
from apps.webhooks.jobs import retention
from apps.webhooks.models import Attempt, AttemptHour, Delivery, Endpoint, Event, FanOutBatch, ReplayJob, SweepPlace
from apps.webhooks.stats import delivery_totals
from tests.engines import developer, make_endpoint, publish

pytestmark = pytest.mark.django_db
FINISHED = ("succeeded", "exhausted", "dropped")
WAITING = ("pending", "sending", "held")


@pytest.fixture(autouse=True)
def days(settings: Any) -> None:
    settings.RETENTION_DAYS_EVENTS = settings.RETENTION_DAYS_ATTEMPTS = 30
    settings.RETENTION_DAYS_DELIVERIES = 90


def add(endpoint: Endpoint, status: str, days_old: float) -> Delivery:
    """Create an event with one delivery and one attempt, all of the same age."""
    moment = timezone.now() - timedelta(days=days_old)
    accepted = publish(endpoint.organization, created_at=moment)
    made = Delivery.objects.get(event=accepted.event_id)
    values = {"status": status, "finished_at": moment if status in FINISHED else None}
    rows = Delivery.objects.filter(pk=made.pk)
    rows.update(next_attempt_at=moment if status == "pending" else None, **values)
    delivery = Delivery.objects.get(event=accepted.event_id)
    Attempt.objects.create(
        pk=uuid_at(moment), organization_id=endpoint.organization_id, delivery=delivery, endpoint_id=endpoint.pk,
        number=1, started_at=moment, finished_at=moment,
    )  # fmt: skip
    return delivery


def prune() -> None:
    """Walk all tables from their start, as if an hour had passed."""
    SweepPlace.objects.all().delete()
    while retention.prune():
        pass


def what_is_left(delivery: Delivery) -> tuple[bool, bool, bool, bool]:
    """Tell of the delivery, its attempts, its event and the event's payload whether they are there."""
    events = Event.objects.filter(pk=delivery.event_id)
    rows = Delivery.objects.filter(pk=delivery.pk)
    attempts = Attempt.objects.filter(delivery=delivery.pk)
    return rows.exists(), attempts.exists(), events.exists(), events.filter(body__isnull=False).exists()


@pytest.mark.parametrize("status", FINISHED)
def test_what_ended_goes_by_its_days(acme: Organization, status: str) -> None:
    endpoint = make_endpoint(acme)
    young, older, oldest = (add(endpoint, status, days_old) for days_old in (29, 31, 91))
    prune()
    assert what_is_left(young) == (True, True, True, True)
    assert what_is_left(older) == (True, False, True, False)
    assert what_is_left(oldest) == (False, False, False, False)


@pytest.mark.parametrize("status", WAITING)
def test_what_waits_is_kept_whatever_its_age(acme: Organization, status: str) -> None:
    delivery = add(make_endpoint(acme), status, 400)
    prune()
    assert what_is_left(delivery) == (True, True, True, True)


def test_an_event_is_kept_for_the_one_endpoint_that_still_waits(acme: Organization) -> None:
    first = add(make_endpoint(acme), "succeeded", 100)
    other = make_endpoint(acme, "https://other.example.com/in")
    moment = timezone.now() - timedelta(days=100)
    waiting = Delivery.objects.create(
        organization=acme, endpoint=other, event_id=first.event_id, event_type="order.created", status="held",
        created_at=moment,
    )  # fmt: skip
    prune()
    assert what_is_left(first) == (False, False, True, True)
    Delivery.objects.filter(pk=waiting.pk).update(status="dropped", finished_at=timezone.now())
    prune()
    assert what_is_left(waiting) == (True, False, True, False)


def test_what_ended_lately_is_kept_though_it_began_long_ago(acme: Organization) -> None:
    delivery = add(make_endpoint(acme), "succeeded", 100)
    Delivery.objects.filter(pk=delivery.pk).update(finished_at=timezone.now())
    prune()
    assert what_is_left(delivery)[0]


def test_an_event_that_nobody_wanted_goes_too(acme: Organization) -> None:
    publish(acme, created_at=timezone.now() - timedelta(days=91))
    publish(acme, created_at=timezone.now() - timedelta(days=89))
    prune()
    assert list(Event.objects.filter(publisher="own").values_list("body", flat=True)) == [None]


def test_windows_go_on_where_they_stopped_and_rest_at_the_end(
    acme: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "WINDOW_SIZE", 2)
    monkeypatch.setattr(retention, "MAX_SECONDS", 0.0)
    endpoint = make_endpoint(acme)
    for _ in range(5):
        add(endpoint, "succeeded", 100)
    monkeypatch.setattr(retention, "MAX_SECONDS", 30.0)
    retention.prune()
    assert not Delivery.objects.exists() and not Event.objects.filter(publisher="own").exists()
    assert SweepPlace.objects.filter(again_at__gt=timezone.now() + timedelta(minutes=50)).count() == 5
    add(endpoint, "succeeded", 100)
    assert retention.prune() == 0 and Delivery.objects.count() == 1


def test_a_pruned_payload_cannot_be_sent_again_and_the_log_says_so(acme: Organization, api: Any, acme_key: Any) -> None:
    delivery = add(make_endpoint(acme), "exhausted", 31)
    prune()
    with pytest.raises(Conflict):
        actions.retry_delivery(actor=developer(acme), delivery_id=delivery.public_id)
    ours = api(acme_key)
    assert ours.post(f"/v1/deliveries/{delivery.public_id}/retry").status_code == 409
    whole = ours.get(f"/v1/deliveries/{delivery.public_id}").json()
    assert (whole["payload"], whole["attempts"]) == (None, [])


def test_a_replay_outlives_what_it_replayed_and_goes_after_its_own_deliveries(acme: Organization) -> None:
    endpoint = make_endpoint(acme)
    old = add(endpoint, "exhausted", 91)
    moment = timezone.now() - timedelta(days=91)
    job = ReplayJob.objects.create(
        pk=uuid_at(moment), organization=acme, endpoint=endpoint, status="done", statuses=["exhausted"], count=1,
        sent=1, ends_before=uuid_at(moment), created_at=moment, created_by_kind="system", created_by_id="system",
        created_by_label="Portal",
    )  # fmt: skip
    again = Delivery.objects.create(
        organization=acme, endpoint=endpoint, event_id=old.event_id, event_type="order.created", status="succeeded",
        replay_of_id=old.pk, replay_job=job, created_at=timezone.now(), finished_at=timezone.now(),
    )  # fmt: skip
    prune()
    again.refresh_from_db()
    assert again.replay_of_id == old.pk and ReplayJob.objects.exists() and not Delivery.objects.filter(pk=old.pk)
    Delivery.objects.filter(pk=again.pk).delete()
    prune()
    assert not ReplayJob.objects.exists()


def test_old_hours_go_with_the_attempts(acme: Organization) -> None:
    endpoint = make_endpoint(acme)
    for days_old in (29, 31):
        hour = timezone.now() - timedelta(days=days_old)
        AttemptHour.objects.create(organization=acme, endpoint=endpoint, hour=hour, succeeded=1)
    prune()
    assert AttemptHour.objects.count() == 1


def test_spent_forms_go_after_a_day(db: None) -> None:
    for token, hours in (("young", 23), ("old", 25)):
        SpentForm.objects.create(token=token)
        SpentForm.objects.filter(token=token).update(at=timezone.now() - timedelta(hours=hours))
    assert forms.delete_used_form_tokens() == 1 and SpentForm.objects.get().token == "young"


def test_an_event_that_still_waits_for_its_deliveries_is_kept(acme: Organization) -> None:
    accepted = publish(acme, created_at=timezone.now() - timedelta(days=400))
    Event.objects.filter(pk=accepted.event_id).update(match_count=3)
    FanOutBatch.objects.create(organization=acme, event_id=accepted.event_id, endpoint_ids=[], size=3)
    prune()
    assert Event.objects.get(pk=accepted.event_id).body is not None
    assert sides(acme) == {"accepted": 3, "waiting": 3}


# The balance


def sides(organization: Organization) -> dict[str, int]:
    found = delivery_totals.count(organization.pk)
    return {
        name: getattr(found, name) for name in ("accepted", *delivery_totals.STATES, "missing") if getattr(found, name)
    }


def test_delivery_totals_add_up_whatever_happens_to_deliveries(acme: Organization, rival: Organization) -> None:
    endpoint, actor = make_endpoint(acme), developer(acme)
    make_endpoint(acme, "https://other.example.com/in")
    publish(make_endpoint(rival).organization)
    for status in (*FINISHED, *WAITING):
        accepted = publish(acme)
        rows = Delivery.objects.filter(event=accepted.event_id, endpoint=endpoint)
        rows.update(status=status, finished_at=timezone.now(), next_attempt_at=None)
    assert sides(acme) == {
        "accepted": 12, "delivered": 1, "waiting": 7, "sending": 1, "held": 1, "exhausted": 1, "dropped": 1,
    }  # fmt: skip
    exhausted = Delivery.objects.get(status="exhausted")
    actions.retry_delivery(actor=actor, delivery_id=exhausted.public_id)
    actions.send_test(actor=actor, endpoint_id=endpoint.public_id)
    assert sides(acme)["accepted"] == 12 and "missing" not in sides(acme)
    actions.delete_endpoint(actor=actor, endpoint_id=endpoint.public_id)
    assert "missing" not in sides(acme)


def test_delivery_totals_include_what_retention_removed(acme: Organization) -> None:
    endpoint = make_endpoint(acme)
    for status in (*FINISHED, "held"):
        add(endpoint, status, 91)
    before = sides(acme)
    prune()
    assert Delivery.objects.count() == 1
    assert sides(acme) == before == {"accepted": 4, "delivered": 1, "exhausted": 1, "dropped": 1, "held": 1}


def test_a_lost_delivery_shows(acme: Organization) -> None:
    make_endpoint(acme)
    publish(acme)
    Delivery.objects.all().delete()
    assert sides(acme) == {"accepted": 1, "missing": 1}


def test_delivery_totals_are_computed_once_a_minute(acme: Organization, rival: Organization) -> None:
    make_endpoint(acme)
    publish(acme)
    assert delivery_totals.last_counted(developer(acme)) is None
    assert (delivery_totals.count_all(), delivery_totals.count_all()) == (Organization.objects.count(), 0)
    found = delivery_totals.last_counted(developer(acme))
    assert found is not None and (found.accepted, found.waiting, found.missing) == (1, 1, 0)


def test_an_organization_that_chose_fewer_days_keeps_its_rows_so_long(acme: Organization, rival: Organization) -> None:
    Organization.objects.filter(pk=acme.pk).update(retention_days_deliveries=5)
    own, theirs = make_endpoint(acme), make_endpoint(rival)
    young, old = add(own, "succeeded", 4), add(own, "exhausted", 6)
    waiting, other = add(own, "held", 6), add(theirs, "succeeded", 6)
    prune()
    for delivery in (young, waiting, other):
        assert what_is_left(delivery) == (True, True, True, True)
    assert what_is_left(old) == (False, False, False, False)
    Organization.objects.filter(pk=acme.pk).update(retention_days_deliveries=60)
    middle = add(own, "succeeded", 40)
    prune()
    assert what_is_left(middle) == (True, False, True, False)


def test_the_names_of_walks_fit_their_column(acme: Organization) -> None:
    Organization.objects.filter(pk=acme.pk).update(retention_days_deliveries=1)
    longest = SweepPlace._meta.get_field("name").max_length
    names = [sweep.name for sweep in retention._sweeps()]
    assert len(names) == len(set(names)) == 10 and max(map(len, names)) <= longest

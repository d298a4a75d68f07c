"""One timeline of changes, calls and deliveries: merged by time, filtered, paged, never another organization's."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone
from django.utils.translation import override

from apps.audit.calls.recording import record_call
from apps.audit.exports import reader
from apps.audit.timeline import sources
from apps.audit.timeline.sources import Filters, timeline, uuid7_floor
from apps.base import identifiers
from apps.base.actor import Actor, ActorKind
from apps.base.identifiers import ORDERED_UUIDS, decode, uuid_time
from apps.base.rest.request_identity import AuthResult
from apps.base.timestamps import format_timestamp_ms
from apps.orgs.models import Organization
from apps.webhooks.models import Attempt, Delivery, Endpoint, Event
from tests.audit.conftest import call_arguments, change, key_actor, make_request, person

pytestmark = pytest.mark.django_db


def call(actor: Actor, **changed: Any) -> None:
    record_call(**call_arguments(AuthResult(actor=actor), **changed))


def attempt(organization: Organization, error: str = "", finished: bool = True, **values: Any) -> Attempt:
    now = timezone.now()
    owned = {"organization": organization}
    endpoint = Endpoint.objects.create(**owned, url="https://hooks.acme.example/in", event_types=["*"])
    event = Event.objects.create(**owned, type="order.created", body="{}", publisher="own", created_at=now)
    delivery = Delivery.objects.create(
        **owned, endpoint=endpoint, event=event, event_type=event.type, created_at=now, attempt_count=1
    )
    usual = {"number": 1, "started_at": now, "finished_at": now if finished else None, "status_code": 200}
    usual["id"] = ORDERED_UUIDS.at(timezone.now())
    return Attempt.objects.create(
        **owned, delivery=delivery, endpoint_id=endpoint.pk, error=error, duration_ms=84.0, **{**usual, **values}
    )


def sentences(actor: Actor, /, **filters: Any) -> list[str]:
    return [row.sentence for row in timeline(actor, Filters(**filters), None, 50).rows]


def test_all_three_kinds_in_the_order_of_time(organization):
    ada, key = person(organization), key_actor(organization)
    change(ada, target_label="Sync")
    call(key, route="/v1/users/{id}", request=make_request(method="DELETE"))
    attempt(organization)
    change(ada, "api_key.revoked", target_label="Sync")
    assert sentences(ada) == [
        "Ada revoked the API key Sync",
        "order.created was sent to https://hooks.acme.example/in",
        "Sync called DELETE /v1/users/{id}",
        "Ada created the API key Sync",
    ]
    rows = timeline(ada, Filters(), None, 50).rows
    assert [row.category for row in rows] == ["change", "delivery", "api_call", "change"]
    assert [row for row in rows if not (row.id.startswith("aud_") and decode("aud", row.id) == row.key)] == []


def test_a_row_of_a_delivery(organization):
    made = attempt(organization, error="timed_out", status_code=None)
    attempt(organization, finished=False)
    (row,) = timeline(person(organization), Filters(category="delivery"), None, 50).rows
    assert (row.actor.kind, row.actor.id) == ("system", "system")
    assert (row.target.kind, row.target.label) == ("endpoint", "https://hooks.acme.example/in")
    assert (row.outcome, row.at) == ("failure", uuid_time(made.pk))
    assert (row.http.method, row.http.status, row.http.duration_ms) == ("POST", None, 84.0)
    assert row.link == f"settings/integration/deliveries/{made.delivery.public_id}/"


def test_a_delivery_that_took_long_stands_where_it_ended(organization):
    """Whoever asks again from the newest time that they have seen gets it, and an export has it in order."""
    ada, slow = person(organization), timezone.now() - timedelta(seconds=15)
    attempt(organization)
    (seen,) = timeline(ada, Filters(category="delivery"), None, 50).rows
    late = attempt(organization, error="timed_out", started_at=slow, status_code=None)
    again = timeline(ada, Filters(category="delivery", since=seen.at), None, 50).rows
    assert [row.key for row in again] == [late.pk, seen.key] and again[0].at >= seen.at
    legs = reader.remaining_spans(ada, Filters(category="delivery"))
    rows, left = reader.read_step(ada, Filters(category="delivery"), legs)
    assert [row.key for row in rows] == [seen.key, late.pk] and not left


def test_every_row_stands_where_its_time_says(organization):
    ada, key = person(organization), key_actor(organization)
    for _ in range(20):
        change(ada)
        call(key)
        attempt(organization)
    rows = timeline(ada, Filters(), None, 100).rows
    shown = [format_timestamp_ms(row.at) for row in rows]
    assert len(rows) == 60 and shown == sorted(shown, reverse=True)
    assert [format_timestamp_ms(uuid_time(row.key)) for row in rows] == shown
    for row in rows[::7]:
        at = uuid_time(row.key)
        since = timeline(ada, Filters(since=at), None, 100).rows
        until = timeline(ada, Filters(until=at), None, 100).rows
        assert row.key in {each.key for each in since} and row.key not in {each.key for each in until}
        assert len(since) + len(until) == 60


def test_bounds_finer_than_a_millisecond_are_kept(organization):
    ada, made = person(organization), attempt(organization)
    at = uuid_time(made.pk)
    for moment, found in ((at, 1), (at + timedelta(microseconds=1), 0), (at - timedelta(microseconds=1), 1)):
        assert len(timeline(ada, Filters(since=moment), None, 5).rows) == found
        assert len(timeline(ada, Filters(until=moment), None, 5).rows) == (0 if moment <= at else 1)


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(200, "success"), (302, "success"), (401, "denied"), (403, "denied"), (429, "denied"), (404, "failure"),
     (500, "failure")],
)  # fmt: skip
def test_how_a_call_ended(organization, status: int, outcome: str):
    call(key_actor(organization), status=status)
    (row,) = timeline(person(organization), Filters(), None, 50).rows
    assert (row.action, row.outcome) == ("api.call", outcome)
    assert (row.target.kind, row.target.id, row.http.status) == ("route", "/v1/users", status)


def test_another_organization_sees_nothing_of_it(organization, other):
    change(person(organization))
    call(key_actor(organization))
    attempt(organization)
    assert sentences(person(other)) == sentences(person(None)) == []
    operator = Actor(ActorKind.OPERATOR, "user_x", "Olga")
    assert len(sentences(operator)) == 3


def test_pages_follow_each_other_without_gap_or_repeat(organization):
    ada, key = person(organization), key_actor(organization)
    for _ in range(4):
        change(ada)
        call(key)
        attempt(organization)
    whole = [row.key for row in timeline(ada, Filters(), None, 50).rows]
    assert len(whole) == 12 and whole == sorted(whole, reverse=True)
    found, before = [], None
    while True:
        page = timeline(ada, Filters(), before, 5)
        found += [row.key for row in page.rows]
        if page.after is None:
            break
        before = page.after
    assert found == whole


def test_a_full_last_page_has_no_next_one(organization):
    for _ in range(3):
        change(person(organization))
    assert timeline(person(organization), Filters(), None, 3).after is None
    assert timeline(person(organization), Filters(), None, 2).after is not None


def test_filters_by_kind_actor_action_and_request(organization):
    ada, dev, key = person(organization), person(organization, "Dev"), key_actor(organization)
    change(ada)
    change(dev, "api_key.revoked")
    call(key)
    attempt(organization)
    assert len(sentences(ada, category="api_call")) == 1
    assert len(sentences(ada, category="change")) == 2
    assert sentences(ada, actor=dev.id) == ["Dev revoked the API key key_x"]
    assert sentences(ada, actor=key.id) == ["Sync called GET /v1/users"]
    assert len(sentences(ada, actor="system")) == 1
    assert len(sentences(ada, action="api_key.revoked")) == 1
    assert len(sentences(ada, action="api.call")) == 1
    assert len(sentences(ada, action="delivery.attempted")) == 1
    assert len(sentences(ada, request_id="request-12345678")) == 2
    assert len(sentences(ada, request_id="request-87654321")) == 1


def test_filters_by_target(organization):
    ada, made = person(organization), attempt(organization)
    attempt(organization)
    change(ada, "endpoint.created", target_id="ep_other")
    change(ada, "endpoint.created", target_id=Endpoint.objects.get(pk=made.endpoint_id).public_id)
    call(key_actor(organization))
    endpoint = Endpoint.objects.get(pk=made.endpoint_id)
    assert len(sentences(ada, target=endpoint.public_id)) == 2
    assert len(sentences(ada, target=made.delivery.public_id)) == 1
    assert len(sentences(ada, target="/v1/users")) == 1
    assert sentences(ada, target="/v1/orders") == []


def test_a_key_filter_shows_what_it_did_and_what_was_done_to_it(organization):
    ada, key = person(organization), key_actor(organization)
    call(key)
    call(key_actor(organization))
    change(ada, "api_key.revoked", target_id=key.id)
    change(ada, "api_key.revoked", target_id=key_actor(organization).id)
    change(key, "api_key.updated", target_id="key_x")
    change(key, "api_key.updated", target_id=key.id)
    attempt(organization)
    rows = timeline(ada, Filters(key=key.id), None, 50).rows
    assert [(row.category, row.actor.id, row.target.id) for row in rows] == [
        ("change", key.id, key.id), ("change", key.id, "key_x"), ("change", ada.id, key.id),
        ("api_call", key.id, "/v1/users"),
    ]  # fmt: skip
    assert [row.key for row in timeline(ada, Filters(key=key.id), rows[1].key, 1).rows] == [rows[2].key]


def test_times_bound_the_search_from_and_until(organization, monkeypatch):
    # The library that makes keys reads the clock past the one that the test turns.
    monkeypatch.setattr(identifiers, "uuid7", lambda: identifiers.uuid_at(timezone.now()))
    ada, noon = person(organization), datetime(2026, 11, 22, 12, tzinfo=UTC)
    for hour in (10, 11, 12, 13):
        with time_machine.travel(noon.replace(hour=hour), tick=False):
            change(ada, target_label=str(hour))
            call(key_actor(organization, str(hour)))
            attempt(organization)
    rows = timeline(ada, Filters(since=noon.replace(hour=11), until=noon), None, 50).rows
    assert [row.at.hour for row in rows] == [11, 11, 11]
    assert {row.category for row in rows} == {"change", "api_call", "delivery"}
    assert timeline(ada, Filters(since=noon + timedelta(days=1)), None, 50).rows == []
    assert len(timeline(ada, Filters(since=datetime(1, 1, 1, tzinfo=UTC)), None, 50).rows) == 12


def test_one_query_for_each_kind(organization, django_assert_num_queries):
    for _ in range(5):
        change(person(organization))
        call(key_actor(organization))
        attempt(organization)
    with django_assert_num_queries(3):
        timeline(person(organization), Filters(), None, 50)
    with django_assert_num_queries(1):
        timeline(person(organization), Filters(category="delivery"), None, 50)


def test_sentences_speak_the_readers_language(organization):
    change(person(organization))
    with override("fr"):
        assert "Ada" in sentences(person(organization))[0]


@pytest.mark.pure
def test_a_category_has_one_source():
    sources.register("change", "apps.audit.timeline.changes_and_calls.changes")
    with pytest.raises(ValueError, match="has a source already"):
        sources.register("change", "elsewhere.changes")
    assert sources.categories() == ["api_call", "change", "delivery"]


@pytest.mark.pure
def test_a_moment_is_the_lowest_key_of_its_millisecond():
    noon = datetime(2026, 11, 22, 12, tzinfo=UTC)
    assert uuid7_floor(noon) < identifiers.uuid_at(noon) < uuid7_floor(noon + timedelta(milliseconds=1))
    assert uuid7_floor(datetime(1960, 1, 1, tzinfo=UTC)).int == 0

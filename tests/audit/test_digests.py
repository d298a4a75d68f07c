"""Calls, attempts and events are put under seal by the hour, and what is kept must match."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

import pytest
from django.utils import timezone

from apps.audit.calls import redis_stream
from apps.audit.models import ApiCall, AuditEntry, KeptSince, Round
from apps.audit.retention import windows
from apps.audit.retention.trimming import sign_daily
from apps.audit.seal import digests, make_digests, sealer
from apps.base import redis as portal_redis
from apps.base import timestamps
from apps.base.identifiers import uuid_at
from apps.webhooks.models import Attempt, Delivery, Event
from tests.audit.chains import falsify, stored, verify
from tests.engines import add_deliveries, make_endpoint, publish

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


@pytest.fixture
def noon(time_machine: Any, monkeypatch: pytest.MonkeyPatch) -> datetime:
    """Five past twelve, today; the digests begin here."""
    monkeypatch.setattr(timestamps, "database_now", timezone.now)
    monkeypatch.setattr("apps.audit.seal.digest_check.database_now", timezone.now)
    moment = timezone.now().replace(hour=12, minute=5, second=0, microsecond=0)
    time_machine.move_to(moment, tick=False)
    make_digests.make_due()
    return moment


@pytest.fixture
def at(time_machine: Any) -> Callable[[datetime], None]:
    return lambda moment: time_machine.move_to(moment, tick=False)


def call(organization: Any, moment: datetime, **values: Any) -> ApiCall:
    usual = {"actor_kind": "api_key", "actor_id": "key_x", "actor_label": "Sync", "method": "GET", "route": "/v1/users",
             "status": 200, "duration_ms": 1.25, "request_id": "request-12345678"}  # fmt: skip
    return ApiCall.objects.create(id=uuid_at(moment), at=moment, organization=organization, **usual | values)


def made() -> list[tuple[str, str, int]]:
    entries = AuditEntry.objects.filter(action__endswith="_digest").order_by("pk")
    return [(entry.action, entry.target_id, entry.changes["rows"][1]) for entry in entries]


def make_all() -> None:
    for _ in range(3):
        make_digests.make_due()
    sealer.seal_due()


def test_an_hour_is_digested_once_it_is_over_for_ten_minutes(organization, other, noon, at):
    for minute in (1, 2, 3):
        call(organization, noon + timedelta(minutes=minute))
    call(other, noon + timedelta(minutes=50))
    at(noon + timedelta(minutes=64))
    make_all()
    assert made() == []
    at(noon + timedelta(minutes=65))
    make_all()
    name = digests.format_hour(noon.replace(minute=0))
    assert sorted(made()) == [("audit.calls_digest", name, 1), ("audit.calls_digest", name, 3)]
    entry = AuditEntry.objects.get(organization=organization)
    assert (entry.actor_kind, entry.target_kind) == ("system", "hour")
    make_all()
    assert len(made()) == 2
    out, sentence = verify("--org", "acme")
    assert sentence == "" and "1 digests of hours" in out


def test_a_digest_is_what_its_documentation_says(organization, noon, at):
    first = call(organization, noon, credential_id=organization.pk, flagged=True)
    second = call(organization, noon + timedelta(minutes=1))
    at(noon + 2 * HOUR)
    make_all()
    digest = sha256(
        f"integrations-portal audit digest 1\naudit.calls_digest\n{organization.public_id}\n"
        f"{noon:%Y-%m-%dT%H}:00:00Z".encode()
    ).digest()
    for row in (first, second):
        key = row.credential_id and row.credential_id.hex
        canonical = [row.public_id, row.at.isoformat(), "api_key", "key_x", "Sync", key, "GET", "/v1/users", 200, "",
                     1.25, "", "", "request-12345678", "", row.flagged]  # fmt: skip
        digest = sha256(digest + json.dumps(canonical, separators=(",", ":")).encode()).digest()
    assert AuditEntry.objects.get().changes == {"rows": [None, 2], "sha256": [None, digest.hex()]}


def test_a_digest_is_made_piece_by_piece_in_any_worker(organization, other, noon, at, monkeypatch):
    for minute in range(7):
        call(organization, noon + timedelta(minutes=minute))
        call(other, noon + timedelta(minutes=minute))
    at(noon + 2 * HOUR)
    monkeypatch.setattr(make_digests, "ROWS_PER_STEP", 3)
    monkeypatch.setattr(make_digests, "MAX_SECONDS", 0.0)
    source = digests.digest_sources()["calls"]
    for _ in range(20):
        stale = Round.objects.filter(name="digest.calls").first()
        make_digests._step("digest.calls", source)
        # Another worker that still holds the place from before does nothing.
        if (
            stale is not None
            and stale.organization_id
            and Round.objects.get(name="digest.calls").version > stale.version
        ):
            assert make_digests._continue(stale, source) is None
    assert [rows for _action, _hour, rows in made()] == [7, 7]
    sealer.seal_due()
    assert verify()[1] == ""


def test_hours_without_rows_have_no_digest(organization, noon, at):
    call(organization, noon + 100 * HOUR)
    at(noon + 102 * HOUR)
    make_all()
    assert len(made()) == 1
    assert Round.objects.get(name="digest.calls").hour == noon.replace(minute=0) + 101 * HOUR


def test_what_was_there_before_the_first_digest_is_left_alone(organization, noon, at):
    call(organization, noon - 30 * HOUR)
    at(noon + 3 * HOUR)
    make_all()
    assert made() == [] and verify()[1] == ""


FALSE = [
    ("status", 500), ("actor_id", "key_y"), ("duration_ms", 1.5), ("flagged", True), ("scopes", "users:read"),
    ("credential_id", "11111111111111111111111111111111"), ("address", "203.0.113.1"),
]  # fmt: skip


@pytest.fixture
def two_hours(organization, noon, at) -> list[ApiCall]:
    calls = [call(organization, noon + number * timedelta(minutes=40)) for number in range(6)]
    at(noon + 5 * HOUR)
    make_all()
    assert [rows for _action, _hour, rows in made()] == [2, 1, 2, 1]
    return calls


def first_bad() -> int:
    sentence = verify("--org", "acme")[1]
    return int(sentence.partition("number is ")[2].partition(":")[0])


@pytest.mark.parametrize(("column", "value"), FALSE)
def test_a_call_that_was_changed(two_hours, column, value):
    ApiCall.objects.filter(pk=two_hours[2].pk).update(**{column: value})
    assert first_bad() == 2
    assert "a row of it was changed" in verify()[1]


def test_a_call_that_is_gone_or_was_put_in(two_hours, organization, noon):
    ApiCall.objects.filter(pk=two_hours[3].pk).delete()
    assert first_bad() == 3 and "1 rows are kept and 2 went in" in verify()[1]
    call(organization, noon + timedelta(minutes=1))
    assert first_bad() == 1


def test_a_call_in_an_hour_without_a_digest(organization, noon, at):
    for hours in (0, 2):
        call(organization, noon + hours * HOUR)
    at(noon + 5 * HOUR)
    make_all()
    call(organization, noon + HOUR)
    assert first_bad() == 2
    ApiCall.objects.filter(pk__gt=uuid_at(noon + HOUR / 2), pk__lt=uuid_at(noon + 1.5 * HOUR)).delete()
    assert verify()[1] == ""


def test_a_call_after_the_last_digest(organization, noon, at):
    call(organization, noon)
    at(noon + 5 * HOUR)
    make_all()
    Round.objects.filter(name="digest.calls").update(hour=noon + 4 * HOUR)
    call(organization, noon + 2 * HOUR)
    assert "are in no digest (audit.calls_digest)" in verify()[1]


def test_a_digest_that_was_edited_is_a_bad_row(two_hours):
    entry = AuditEntry.objects.filter(action="audit.calls_digest").order_by("pk")[1]
    changes = json.dumps({**entry.changes, "rows": [None, 9]})
    falsify("UPDATE audit_auditentry SET changes = %s WHERE id = %s", changes, stored(entry.pk))
    assert first_bad() == 2


def test_hours_that_retention_may_have_touched_are_not_judged(two_hours, organization, settings, at, noon):
    settings.RETENTION_DAYS_API_CALLS = 1
    at(noon + timedelta(days=1, hours=1))
    ApiCall.objects.filter(pk__in=[two_hours[0].pk]).delete()
    assert verify()[1] == ""
    sign_daily()
    assert KeptSince.objects.get(kind="calls", organization=organization).since == noon + HOUR
    # Longer days bring back nothing: what may be gone by then is noted.
    settings.RETENTION_DAYS_API_CALLS = 90
    assert verify()[1] == ""
    KeptSince.objects.all().delete()
    assert first_bad() == 1


def test_data_that_somebody_removed_on_purpose_are_no_fault(two_hours, organization):
    ApiCall.objects.all().delete()
    assert first_bad() == 1
    windows.reset_windows(organization.pk)
    out, sentence = verify("--org", "acme")
    assert sentence == "" and "4 digests are of hours that retention may have touched" in out


def test_calls_that_wait_in_redis_hold_their_hour_open(organization, noon, at, monkeypatch, settings):
    call(organization, noon)
    at(noon + 3 * HOUR)
    asked = []
    monkeypatch.setattr(redis_stream, "is_drained_to", lambda moment: asked.append(moment))
    make_all()
    assert made() == [] and asked[0] == noon.replace(minute=1) + HOUR
    monkeypatch.setattr(redis_stream, "is_drained_to", lambda moment: True)
    make_all()
    assert len(made()) == 1


def test_redis_is_asked_for_calls_of_before_a_moment(settings, monkeypatch):
    now = timezone.now()
    if not settings.REDIS_URL:
        assert redis_stream.is_drained_to(now)
        return
    milliseconds = int(now.timestamp() * 1000)
    assert redis_stream.is_drained_to(now)
    portal_redis.client().xadd(redis_stream.STREAM_KEY, {"call": "x"}, id=f"{milliseconds - 1}-0")
    assert not redis_stream.is_drained_to(now) and redis_stream.is_drained_to(now - timedelta(milliseconds=1))
    monkeypatch.setattr(
        portal_redis, "call_redis", lambda question: None
    )  # what it returns where Redis does not answer
    assert not redis_stream.is_drained_to(now - HOUR)


def attempt(delivery: Delivery, moment: datetime, **values: Any) -> Attempt:
    usual = {"number": 1, "started_at": moment, "finished_at": moment, "duration_ms": 3.5, "status_code": 200,
             "request_headers": {"b": "1", "a": "2"}, "response_body": "ok ✓"}  # fmt: skip
    return Attempt.objects.create(
        id=uuid_at(moment), organization_id=delivery.organization_id, delivery=delivery,
        endpoint_id=delivery.endpoint_id, **usual | values,
    )  # fmt: skip


@pytest.fixture
def delivered(organization, noon, at) -> tuple[Attempt, Event]:
    endpoint = make_endpoint(organization)
    publish(organization)
    event = Event.objects.get()
    delivery = Delivery.objects.get()
    # The database made their ids, by its own clock.
    Delivery.objects.all().delete()
    Event.objects.filter(pk=event.pk).delete()
    event.pk = uuid_at(noon)
    event.save(force_insert=True)
    delivery.pk, delivery.event, delivery.endpoint = uuid_at(noon), event, endpoint
    delivery.save(force_insert=True)
    tried = attempt(delivery, noon + timedelta(minutes=1))
    attempt(delivery, noon + timedelta(minutes=2), number=2)
    at(noon + 2 * HOUR)
    make_all()
    actions = {(action, rows) for action, _hour, rows in made()}
    assert actions == {("audit.attempts_digest", 2), ("audit.events_digest", 1)}
    assert verify()[1] == ""
    return tried, event


@pytest.mark.parametrize(("column", "value"), [("status_code", 500), ("response_body", "no"), ("request_headers", {})])
def test_an_attempt_that_was_changed(delivered, column, value):
    Attempt.objects.filter(pk=delivered[0].pk).update(**{column: value})
    assert "(audit.attempts_digest) does not match: a row of it was changed" in verify()[1]


@pytest.mark.parametrize(("column", "value"), [("body", "{}"), ("type", "invoice.paid"), ("client_id", "x")])
def test_an_event_that_was_changed(delivered, column, value):
    Event.objects.filter(pk=delivered[1].pk).update(**{column: value})
    assert "(audit.events_digest) does not match: a row of it was changed" in verify()[1]


def test_a_delivery_that_goes_on_changes_no_digest(delivered):
    Delivery.objects.update(status="exhausted", attempt_count=10, finished_at=timezone.now())
    assert verify()[1] == ""


def test_an_attempt_that_is_still_being_sent_holds_its_hour_open(organization, noon, at):
    endpoint = make_endpoint(organization)
    add_deliveries(endpoint, 1, status="sending", lease_until=noon + timedelta(seconds=30))
    delivery = Delivery.objects.get()
    attempt(delivery, noon)
    at(noon + 3 * HOUR)
    make_all()
    assert "audit.attempts_digest" not in {action for action, _hour, _rows in made()}
    Delivery.objects.update(status="succeeded", lease_until=None)
    make_all()
    assert "audit.attempts_digest" in {action for action, _hour, _rows in made()}


def test_both_databases_say_the_same(two_hours, organization):
    """A log that moves to the other database keeps its digests: times, numbers and truth are written alike."""
    first, last = uuid_at(timezone.now() - timedelta(days=2)), uuid_at(timezone.now())
    [(_key, text)] = digests.digest_sources()["calls"].rows(organization.pk, first, last, 1)
    assert '+00:00","api_key","key_x","Sync",null,"GET","/v1/users",200,"",1.25' in text
    assert text.startswith('["aud_') and text.endswith(",false]")


def test_quiet_organizations_are_passed_over_without_a_commit_each(organization, other, noon, at, monkeypatch):
    call(other, noon)
    at(noon + 2 * HOUR)
    for ahead in (1, 200):
        monkeypatch.setattr(make_digests, "ORGANIZATIONS_PER_STEP", ahead)
        before = Round.objects.get(name="digest.calls").version
        Round.objects.filter(name="digest.calls").update(hour=noon.replace(minute=0), organization_id=None)
        make_all()
        moves = Round.objects.get(name="digest.calls").version - before
        assert moves <= 2 if ahead == 200 else moves > 2

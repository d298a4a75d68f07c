"""A span's figures: exact to the call, zeros for quiet buckets, hours and days telling the same."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine

from apps.audit.calls import usage_report
from apps.audit.calls.recording import record_additional_use, record_call
from apps.audit.calls.usage_report import Interval, Span
from apps.base.rest.request_identity import AuthResult
from tests.audit.conftest import call_arguments, key_actor, make_request, person

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 22, 12, 30, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NOTHING = {"2xx": 0, "4xx": 0, "429": 0, "5xx": 0}


def call(actor: Any, at: datetime, status: int = 200, scope: str = "", address: str = "203.0.113.9", **values: Any):
    request = make_request(address=address, **({"User-Agent": values.pop("agent")} if "agent" in values else {}))
    request.scopes_used = (scope,) if scope else ()
    with time_machine.travel(at, tick=False):
        record_call(**call_arguments(AuthResult(actor=actor), status=status, request=request, **values))


def test_a_key(organization, other, django_assert_num_queries):
    key, neighbour = key_actor(organization), key_actor(organization)
    call(key, NOW, 200, "users:read")
    call(key, NOW - HOUR, 201, "users:write", address="198.51.100.7", route="/v1/events")
    call(key, NOW - HOUR, 404, "users:read")
    call(key, NOW - 3 * HOUR, 429)
    call(key, NOW - 3 * HOUR, 503)
    call(key, NOW - 24 * HOUR, 200, "audit:read")
    call(neighbour, NOW, 200, "audit:read")
    with django_assert_num_queries(2):
        found = usage_report.key_usage(organization.pk, key.pk, Span.last(14, Interval.HOUR, NOW))
    assert (found.total, found.by_status) == (5, {"2xx": 2, "4xx": 1, "429": 1, "5xx": 1})
    assert [point.at for point in found.series] == [
        datetime(2026, 11, 21, 23, tzinfo=UTC) + index * HOUR for index in range(14)
    ]
    assert [(point.calls, point.errors) for point in found.series[-5:]] == [(0, 0), (2, 2), (0, 0), (2, 1), (1, 0)]
    assert [point for point in found.series[:10] if point.by_status != NOTHING] == []
    assert found.routes == [("GET", "/v1/users", 4), ("GET", "/v1/events", 1)]
    assert found.addresses == [("203.0.113.9", 4, NOW), ("198.51.100.7", 1, NOW - HOUR)]
    assert found.scopes == ["users:read", "users:write"]
    assert found.keys == [(key.pk, 5)]
    assert usage_report.key_usage(other.pk, key.pk, Span.last(14, Interval.HOUR, NOW)).total == 0


def test_an_organization_counts_its_members_and_names_its_keys(organization, other):
    one, two = key_actor(organization), key_actor(organization)
    call(one, NOW)
    call(two, NOW)
    call(two, NOW)
    call(person(organization), NOW)
    call(key_actor(other), NOW)
    found = usage_report.organization_usage(organization.pk, Span.last(1, Interval.DAY, NOW))
    assert (found.total, found.keys) == (4, [(two.pk, 2), (one.pk, 1)])
    assert [point.by_status for point in found.series] == [{**NOTHING, "2xx": 4}]


def test_a_verified_key_has_the_use(organization, other):
    asker, asked, request = key_actor(other), key_actor(organization), make_request()
    record_additional_use(
        *(request,),
        organization_id=organization.pk,
        credential_id=asked.pk,
        route="/v1/api-keys/verify",
        method="POST",
        status=429,
        scopes=["orders:read"],
        address="192.0.2.7",
    )
    with time_machine.travel(NOW, tick=False):
        record_call(**call_arguments(AuthResult(actor=asker), request=request))
    found = usage_report.key_usage(organization.pk, asked.pk, Span.last(1, Interval.HOUR, NOW))
    assert (found.by_status, found.scopes) == ({**NOTHING, "429": 1}, ["orders:read"])
    assert found.addresses == [("192.0.2.7", 1, NOW)]


@pytest.mark.parametrize("interval", list(Interval))
@pytest.mark.parametrize(("since", "until"), [
    (NOW - 26 * HOUR, NOW), (NOW - 3 * DAY, NOW - DAY), (NOW - 5 * HOUR, NOW - 4 * HOUR), (NOW - 9 * DAY, NOW + DAY),
    (NOW.replace(hour=0, minute=0) - 2 * DAY, NOW.replace(hour=0, minute=0)),
    (NOW.replace(hour=22) - 2 * DAY, NOW.replace(hour=2)),
])  # fmt: skip
def test_hours_and_days_tell_the_same(organization, django_assert_max_num_queries, interval, since, until):
    key = key_actor(organization)
    moments = [NOW - index * timedelta(hours=5, minutes=7) for index in range(30)]
    for number, moment in enumerate(moments):
        call(
            key,
            moment,
            (200, 404, 429, 500)[number % 4],
            ("users:read", "")[number % 2],
            address=f"10.0.0.{number % 3}",
        )
    span = Span.covering(since, until, interval)
    assert span.since <= since and until <= span.until
    inside = [moment for moment in moments if span.since <= moment < span.until]
    with django_assert_max_num_queries(4):
        found = usage_report.key_usage(organization.pk, key.pk, span)
    expected = Counter(interval.start_of(moment) for moment in inside)
    assert {point.at: point.calls for point in found.series if point.calls} == expected
    assert len(found.series) == (span.until - span.since) // interval.length
    assert found.total == sum(each.calls for each in found.routes) == len(inside)
    assert sum(each.calls for each in found.addresses) == len(inside)


@pytest.mark.parametrize("interval", list(Interval))
def test_more_calls_take_no_more_queries(organization, django_assert_num_queries, interval):
    span = Span.last(3, Interval.DAY, NOW) if interval == Interval.DAY else Span.last(60, Interval.HOUR, NOW)
    queries = 2 if interval == Interval.DAY else 4
    for number in range(40):
        call(key_actor(organization), NOW - number * HOUR, route=f"/v1/{number}", address=f"10.0.0.{number}")
        if number in (0, 39):
            with django_assert_num_queries(queries):
                usage_report.organization_usage(organization.pk, span)


def test_lists_end_at_the_most_called(organization, monkeypatch):
    monkeypatch.setattr(usage_report, "MAX_LISTED", 2)
    key = key_actor(organization)
    for address in ("a", "b", "b", "c", "c", "c"):
        call(key, NOW, address=address, route=f"/v1/{address}")
    found = usage_report.key_usage(organization.pk, key.pk, Span.last(1, Interval.HOUR, NOW))
    assert [each.address for each in found.addresses] == ["c", "b"] and len(found.routes) == 2
    assert found.total == 6


def test_spans():
    quarter = NOW - timedelta(minutes=15)
    assert Span.covering(quarter, NOW, Interval.HOUR) == Span(
        NOW.replace(minute=0), NOW.replace(hour=13, minute=0), "hour"
    )
    midnight = NOW.replace(hour=0, minute=0)
    assert Span.covering(midnight - DAY, midnight, Interval.DAY).buckets == [midnight - DAY]
    assert Span.last(2, Interval.DAY, NOW).buckets == [midnight - DAY, midnight]
    with pytest.raises(OverflowError):
        Span.covering(NOW, datetime.max.replace(tzinfo=UTC), Interval.HOUR)


def test_who_still_calls(organization):
    key = key_actor(organization)
    call(key, NOW - 30 * HOUR, agent="gone/1")
    call(key, NOW - 20 * HOUR - timedelta(minutes=10), agent="early/1")
    call(key, NOW - 20 * HOUR + timedelta(minutes=10), agent="old/1", status=401)
    call(key, NOW - 2 * HOUR, agent="old/1")
    call(key, NOW - HOUR, agent="old/1", address="198.51.100.7", route="/v1/me")
    since = NOW - 20 * HOUR
    assert usage_report.recent_callers(organization.pk, key.pk, since) == [
        ("198.51.100.7", "old/1", "GET", "/v1/me", 1, NOW - HOUR),
        ("203.0.113.9", "old/1", "GET", "/v1/users", 2, NOW - 2 * HOUR),
    ]
    assert usage_report.calls_since(organization.pk, key.pk, since) == 3
    assert usage_report.calls_since(organization.pk, key.pk, NOW - timedelta(minutes=59)) == 0
    assert usage_report.recent_callers(organization.pk, key_actor(organization).pk, since) == []


def test_which_scopes_were_used_where(organization, other, django_assert_num_queries):
    one, two = key_actor(organization), key_actor(organization)
    call(one, NOW, scope="users:read")
    call(one, NOW - DAY, scope="users:read")
    call(one, NOW - 9 * DAY, scope="audit:read")
    call(two, NOW, route="/v1/me")
    call(two, NOW, 403, route="/v1/refused")
    call(key_actor(other), NOW, scope="users:read")
    with django_assert_num_queries(1):
        found = usage_report.routes_and_scopes(organization.pk, NOW - 8 * DAY)
    assert found == {one.pk: {("/v1/users", "users:read")}, two.pk: {("/v1/me", "")}}
    assert usage_report.routes_and_scopes(organization.pk, NOW - 9 * DAY, one.pk) == {
        one.pk: {("/v1/users", "users:read"), ("/v1/users", "audit:read")}
    }

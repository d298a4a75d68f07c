"""The figures of pages: exact, one query each."""

from datetime import UTC, date, datetime, timedelta

import pytest
import time_machine

from apps.audit.calls import usage_counters
from apps.audit.calls.recording import record_call
from apps.base.identifiers import new_uuid
from apps.base.rest.request_identity import AuthResult
from tests.audit.conftest import call_arguments, key_actor

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 11, 22, 12, 30, tzinfo=UTC)


def calls(actor, at: datetime, *statuses: int) -> None:
    with time_machine.travel(at, tick=False):
        for status in statuses:
            record_call(**call_arguments(AuthResult(actor=actor), status=status))


def test_last_uses(organization, django_assert_num_queries):
    used, unused = key_actor(organization), new_uuid()
    calls(used, NOON, 200)
    with django_assert_num_queries(1):
        found = usage_counters.last_uses([used.pk, unused])
    assert list(found) == [used.pk] and found[used.pk].at == NOON
    with django_assert_num_queries(0):
        assert usage_counters.last_uses([]) == {}


def test_days_of_each_key_with_quiet_days_as_zeros(organization, other, django_assert_num_queries):
    one, two, foreign = key_actor(organization), key_actor(organization), key_actor(other)
    calls(one, NOON - timedelta(days=2), 200, 500)
    calls(one, NOON - timedelta(days=3), 200)
    calls(one, NOON, 200, 429, 404)
    calls(foreign, NOON, 200)
    with django_assert_num_queries(1):
        found = usage_counters.daily_series(organization.pk, [one.pk, two.pk, foreign.pk], 3, now=NOON)
    days = [date(2026, 11, 20), date(2026, 11, 21), date(2026, 11, 22)]
    assert found[one.pk] == list(zip(days, [2, 0, 3], [1, 0, 2], strict=True))
    assert found[two.pk] == found[foreign.pk] == list(zip(days, [0] * 3, [0] * 3, strict=True))


def test_no_keys_no_query(organization, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert usage_counters.daily_series(organization.pk, [], 7) == {}

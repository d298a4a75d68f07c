"""Caps and limits under many hands at once: never one too many, never one too few (promises 20 and 21)."""

import time
from collections import Counter

import pytest

from apps.api_keys import actions as keys
from apps.api_keys.models import ApiKey
from apps.audit.models import AuditEntry
from apps.base.actor import system
from apps.base.errors import PortalError
from apps.credentials.gate import rate_limits
from apps.credentials.gate.rate_limits import MemoryLimiter, Window
from apps.webhooks import actions as endpoints
from apps.webhooks.models import Endpoint, EndpointSecret, Event
from tests.engines import in_threads

MAKERS = 50
CALLERS = 200


def outcome_of(work, *arguments, **values) -> str:
    try:
        work(*arguments, **values)
    except PortalError as error:
        return error.code
    return "made"


@pytest.mark.django_db(transaction=True)
def test_fifty_requests_at_once_create_the_last_allowed_key_once(acme, rival, make_key):
    for _ in range(4):
        make_key(acme, "users:read", type="user_data")
    make_key(rival, "users:read", type="user_data")

    def make(number: int) -> str:
        values = {"name": f"Key {number}", "key_type": "user_data", "scopes": ["users:read"]}
        return outcome_of(keys.create_key, actor=system(acme.pk), **values)

    assert Counter(in_threads(MAKERS, make)) == {"made": 1, "key_limit_reached": MAKERS - 1}
    assert ApiKey.objects.filter(organization=acme).live().count() == 5
    # Who was refused left nothing behind.
    assert AuditEntry.objects.filter(organization=acme, action="api_key.created").count() == 5
    assert Event.objects.filter(organization=acme, type="api_key.created").count() == 5


@pytest.mark.django_db(transaction=True)
def test_the_key_slot_of_a_revoked_key_is_reused_once(acme, make_key):
    made = [make_key(acme, "users:read", type="user_data") for _ in range(5)]
    keys.revoke_key(actor=system(acme.pk), key_id=made[0].row.public_id)

    def make(number: int) -> str:
        values = {"name": f"Key {number}", "key_type": "user_data", "scopes": ["users:read"]}
        return outcome_of(keys.create_key, actor=system(acme.pk), **values)

    assert Counter(in_threads(10, make)) == {"made": 1, "key_limit_reached": 9}


@pytest.mark.django_db(transaction=True)
def test_fifty_requests_at_once_create_the_last_allowed_endpoint_once(acme):
    acme.endpoint_limit = 1
    acme.save()

    def make(number: int) -> str:
        values = {"url": f"https://hooks.example.com/{number}", "event_types": ["*"]}
        return outcome_of(endpoints.create_endpoint, actor=system(acme.pk), **values)

    assert Counter(in_threads(MAKERS, make)) == {"made": 1, "endpoint_limit_reached": MAKERS - 1}
    assert (Endpoint.objects.count(), EndpointSecret.objects.count()) == (1, 1)


@pytest.mark.django_db(transaction=True)
def test_a_key_is_revoked_once(acme, acme_key):
    def end(_number: int) -> str:
        return outcome_of(keys.revoke_key, actor=system(acme.pk), key_id=acme_key.row.public_id)

    assert Counter(in_threads(10, end)) == {"made": 10}
    assert AuditEntry.objects.filter(action="api_key.revoked").count() == 1
    assert Event.objects.filter(type="api_key.revoked").count() == 1


def take_with(limiter, windows) -> Counter:
    return Counter(in_threads(CALLERS, lambda _number: limiter(windows).allowed))


@pytest.mark.pure
def test_the_limiter_of_a_process_is_exact_over_its_threads():
    windows = [Window("minute", "a", 100, 60), Window("hour", "b", 5000, 3600)]
    limiter = MemoryLimiter()
    assert take_with(limiter.consume, windows) == {True: 100, False: 100}
    assert [state.remaining for state in limiter.peek(windows).states] == [0, 4900]


@pytest.mark.pure
def test_the_narrower_of_two_windows_counts():
    windows = [Window("minute", "a", 100, 60), Window("organization", "o", 30, 60)]
    limiter = MemoryLimiter()
    assert take_with(limiter.consume, windows) == {True: 30, False: 170}
    assert [state.remaining for state in limiter.peek(windows).states] == [70, 0]


def test_the_limiter_as_it_is_configured_is_exact_over_threads(request):
    windows = [Window("minute", f"test:{request.node.nodeid}:{time.time_ns()}", 100, 60)]
    assert take_with(rate_limits.consume, windows) == {True: 100, False: 100}

"""Windows, their headers, and what a refusal costs."""

import re

import pytest

from apps.credentials.gate import rate_limits
from apps.credentials.gate.rate_limits import MemoryLimiter, Window

pytestmark = pytest.mark.django_db


@pytest.fixture
def tight_key(make_key, acme):
    return make_key(acme, limits={"minute": 3, "hour": 5})


def test_every_answer_carries_the_headers(api, acme_key):
    answer = api(acme_key).get("/v1/users")
    assert (answer["RateLimit-Limit"], answer["RateLimit-Remaining"]) == ("100", "99")
    assert 1 <= int(answer["RateLimit-Reset"]) <= 60
    assert answer["RateLimit-Policy"] == '"minute";q=100;w=60, "hour";q=5000;w=3600'
    assert re.fullmatch(r'"minute";r=99;t=\d+, "hour";r=4999;t=\d+', answer["RateLimit"])


def test_over_the_limit_is_429_and_costs_nothing(api, tight_key):
    statuses = [api(tight_key).get("/v1/me").status_code for _ in range(5)]
    assert statuses == [200, 200, 200, 429, 429]
    answer = api(tight_key).get("/v1/me")
    assert answer.json()["code"] == "rate_limited"
    assert answer["RateLimit-Remaining"] == "0"
    assert 1 <= int(answer["Retry-After"]) <= 60
    assert '"hour";r=2;' in answer["RateLimit"]


def test_refusals_of_other_kinds_count(api, tight_key):
    assert api(tight_key).get("/v1/nowhere").status_code == 404
    assert api(tight_key).delete("/v1/me").status_code == 405
    assert api(tight_key).get("/v1/me")["RateLimit-Remaining"] == "0"


def test_the_limit_comes_before_path_scope_and_body(api, tight_key):
    for _ in range(3):
        api(tight_key).get("/v1/me")
    assert api(tight_key).get("/v1/nowhere").status_code == 429
    assert api(tight_key).post("/v1/users", {}).status_code == 429


def test_keys_without_limits_have_no_headers(api, admin_key):
    answer = api(admin_key).get("/v1/me")
    assert answer.status_code == 200 and answer.json()["limits"] == []
    assert not [name for name in answer.headers if name.startswith("RateLimit")]


def test_a_ceiling_of_the_organization_is_a_third_window(api, make_key, acme):
    acme.ceiling_per_minute = 2
    acme.save()
    first, second = make_key(acme), make_key(acme)
    assert api(first).get("/v1/me")["RateLimit-Limit"] == "2"
    assert '"organization";q=2;w=60' in api(second).get("/v1/me")["RateLimit-Policy"]
    assert api(first).get("/v1/me").status_code == 429


def test_a_window_starts_with_its_first_call():
    now = 1_000.0
    limiter, window = MemoryLimiter(clock=lambda: now), Window("minute", "b", 2, 60)
    assert limiter.consume([window]).allowed
    now += 30
    assert limiter.consume([window]).allowed
    refused = limiter.consume([window])
    assert (refused.allowed, refused.retry_after) == (False, 30)
    now += refused.retry_after
    decision = limiter.consume([window])
    assert decision.allowed and decision.states[0].remaining == 1


def test_all_windows_are_taken_or_none():
    limiter = MemoryLimiter()
    wide, narrow = Window("minute", "wide", 10, 60), Window("hour", "narrow", 1, 3600)
    assert limiter.consume([wide, narrow]).allowed
    assert not limiter.consume([wide, narrow]).allowed
    assert limiter.peek([wide]).states[0].remaining == 9


def test_headers_speak_of_the_tightest_window():
    states = (
        rate_limits.WindowState(Window("minute", "m", 100, 60), 50, 10.0),
        rate_limits.WindowState(Window("hour", "h", 60, 3600), 5, 1000.2),
    )
    found = rate_limits.headers(states)
    assert (found["RateLimit-Limit"], found["RateLimit-Remaining"], found["RateLimit-Reset"]) == ("60", "5", "1001")

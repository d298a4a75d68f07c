"""``/v1/api-keys/{id}/usage`` and ``/v1/usage``: the literal answer, spans, what is refused, and how many queries."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.api_keys.conftest import DAY, HOUR, NOW, used

pytestmark = pytest.mark.django_db


def test_the_answer(api, acme, acme_key, asked):
    used(asked, NOW - 2 * HOUR, count=3)
    used(asked, NOW - 2 * HOUR, 404, address="198.51.100.7")
    used(asked, NOW - HOUR, 429, scopes="")
    used(asked, NOW - HOUR, 503, route="/v1/events", method="POST", scopes="events:write")
    answer = api(acme_key).get(
        f"/v1/api-keys/{asked.public_id}/usage?since=2026-11-22T09:45:00Z&until=2026-11-22T12:00:00Z"
    )
    assert answer.status_code == 200
    assert answer.json() == {
        "total": 6,
        "by_status": {"2xx": 3, "4xx": 1, "429": 1, "5xx": 1},
        "series": [
            {"at": "2026-11-22T09:00:00Z", "count": 0, "errors": 0},
            {"at": "2026-11-22T10:00:00Z", "count": 4, "errors": 1},
            {"at": "2026-11-22T11:00:00Z", "count": 2, "errors": 2},
        ],
        "routes": [
            {"method": "GET", "route": "/v1/users", "count": 5},
            {"method": "POST", "route": "/v1/events", "count": 1},
        ],
        "addresses": [
            {"address": "203.0.113.9", "count": 5, "last_at": "2026-11-22T11:30:15Z"},
            {"address": "198.51.100.7", "count": 1, "last_at": "2026-11-22T10:30:15Z"},
        ],
        "scopes_used": ["events:write", "users:read"],
        "last_used_at": "2026-11-22T11:30:15Z",
        "last_used_from": "203.0.113.9",
    }


def test_a_key_without_calls(api, acme_key, asked):
    answer = api(acme_key).get(f"/v1/api-keys/{asked.public_id}/usage").json()
    nothing = {"total": 0, "by_status": {"2xx": 0, "4xx": 0, "429": 0, "5xx": 0}, "routes": [], "addresses": []}
    assert {name: answer[name] for name in nothing} == nothing
    assert (answer["scopes_used"], answer["last_used_at"], answer["last_used_from"]) == ([], None, None)
    assert len(answer["series"]) == 24 and "keys" not in answer


@pytest.mark.parametrize(
    ("query", "first", "last", "buckets"),
    [
        ("", "2026-11-21T13:00:00Z", "2026-11-22T12:00:00Z", 24),
        ("?interval=day", "2026-10-24T00:00:00Z", "2026-11-22T00:00:00Z", 30),
        ("?interval=day&since=2026-11-20", "2026-11-20T00:00:00Z", "2026-11-22T00:00:00Z", 3),
        (
            "?interval=day&since=2026-11-20T05:00:00Z&until=2026-11-21",
            "2026-11-20T00:00:00Z",
            "2026-11-20T00:00:00Z",
            1,
        ),
        ("?since=2026-11-22T11:00:00%2B01:00", "2026-11-22T10:00:00Z", "2026-11-22T12:00:00Z", 3),
        ("?until=2026-11-20", "2026-11-19T00:00:00Z", "2026-11-19T23:00:00Z", 24),
        ("?since=2026-11-22T12:59:59Z&until=2026-11-22T13:00:01Z", "2026-11-22T12:00:00Z", "2026-11-22T13:00:00Z", 2),
        ("?since=2026-10-22&until=2026-11-22", "2026-10-22T00:00:00Z", "2026-11-21T23:00:00Z", 744),
        ("?interval=day&since=2025-10-18&until=2026-11-22", "2025-10-18T00:00:00Z", "2026-11-21T00:00:00Z", 400),
        ("?since=2030-01-01&until=2030-01-02", "2030-01-01T00:00:00Z", "2030-01-01T23:00:00Z", 24),
    ],
)
def test_spans(api, acme_key, asked, query, first, last, buckets):
    for path in (f"/v1/api-keys/{asked.public_id}/usage", "/v1/usage"):
        series = api(acme_key).get(path + query).json()["series"]
        assert (series[0]["at"], series[-1]["at"], len(series)) == (first, last, buckets)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("interval=minute", "interval"),
        ("interval=", "interval"),
        ("since=yesterday", "since"),
        ("since=", "since"),
        ("until=2026-13-01", "until"),
        ("since=2026-11-22T10:00:00", "since"),
        ("since=2026-11-23", "since"),
        ("since=2026-11-22T12:30:15Z", "since"),
        ("since=2026-11-21&until=2026-11-21", "since"),
        ("since=2026-11-21&until=2026-11-20", "since"),
        ("since=2026-10-21T23:59:59Z&until=2026-11-22", "since"),
        ("since=2025-10-17&until=2026-11-22&interval=day", "since"),
        ("until=0001-01-01", "until"),
        ("since=9999-12-31&until=9999-12-31T23:59:59Z", "until"),
        ("since=9999-12-31T00:00:00Z&until=9999-12-31T23:59:59Z&interval=day", "until"),
    ],
)
def test_bad_parameters_are_named(api, acme_key, asked, query, field):
    for path in (f"/v1/api-keys/{asked.public_id}/usage", "/v1/usage"):
        answer = api(acme_key).get(f"{path}?{query}")
        assert (answer.status_code, list(answer.json()["fields"])) == (400, [field])


def test_the_organization(api, acme, rival_key, acme_key, asked):
    used(asked, NOW, 200, count=2)
    used(asked, NOW - 3 * DAY, 200, count=7)
    used(acme_key.row, NOW, 500, address="198.51.100.7", scopes="")
    used(rival_key.row, NOW, 200, count=9)
    answer = api(acme_key).get("/v1/usage").json()
    assert (answer["total"], answer["by_status"]) == (3, {"2xx": 2, "4xx": 0, "429": 0, "5xx": 1})
    assert answer["keys"] == [{"id": asked.public_id, "count": 2}, {"id": acme_key.row.public_id, "count": 1}]
    assert (answer["scopes_used"], answer["last_used_at"]) == (["users:read"], "2026-11-22T12:30:15Z")
    month = api(acme_key).get("/v1/usage?interval=day").json()
    # The call for the day's figures before this one counts as well.
    assert month["total"] == 11 and month["series"][-4] == {"at": "2026-11-19T00:00:00Z", "count": 7, "errors": 0}


def test_members_count_and_are_no_key(acme, acme_key, api, browser_of, ada, clock):
    browser_of(ada).get("/v1/users?organization=acme", headers={"Accept": "text/html"})
    answer = api(acme_key).get("/v1/usage").json()
    assert (answer["total"], answer["keys"]) == (1, [])


def test_a_stranger_sees_404(api, rival_key, asked):
    assert api(rival_key).get(f"/v1/api-keys/{asked.public_id}/usage").status_code == 404
    assert api(rival_key).get("/v1/api-keys/key_unknown/usage").status_code == 404


def test_a_call_over_the_limit_counts_and_is_no_use(api, acme, acme_key, make_key):
    limited = make_key(acme, "users:read", limits={"minute": 1}, name="Limited")
    for status in (200, 429, 429):
        assert api(limited).get("/v1/users").status_code == status
    answer = api(acme_key).get(f"/v1/api-keys/{limited.row.public_id}/usage").json()
    assert (answer["total"], answer["by_status"]["429"], answer["scopes_used"]) == (3, 2, ["users:read"])


def test_queries_stay_the_same(api, acme, acme_key, asked, make_key):
    counts = []
    api(acme_key).get("/v1/me")  # with Redis the key is looked up once
    for number in range(1, 13):
        key = make_key(acme, "users:read", name=f"Key {number}").row
        used(key, NOW - number * HOUR, route=f"/v1/{number}", address=f"10.0.0.{number}")
        used(asked, NOW - number * HOUR, route=f"/v1/{number}", address=f"10.0.0.{number}")
        if number in (1, 12):
            for path in (f"/v1/api-keys/{asked.public_id}/usage", "/v1/usage", "/v1/usage?since=2026-11-01"):
                with CaptureQueriesContext(connection) as queries:
                    assert api(acme_key).get(path).status_code == 200
                counts.append(len(queries))
    assert counts[:3] == counts[3:]

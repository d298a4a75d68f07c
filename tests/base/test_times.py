"""Times from outside: RFC 3339 or a date, read alike at every door."""

from datetime import datetime
from typing import Any
from urllib.parse import quote

import pytest

from apps.base.errors import Invalid
from apps.base.timestamps import parse_timestamp
from tests.engines import make_endpoint

PAGE = "/o/acme/settings/integration/audit/"


GOOD = [
    ("2026-11-30T08:45:30Z", "2026-11-30T08:45:30Z"), ("2026-11-30t08:45:30z", "2026-11-30T08:45:30Z"),
    ("2026-11-30T08:45:30.5+01:00", "2026-11-30T07:45:30.5Z"),
    ("2026-11-30T23:59:59-23:59", "2026-12-01T23:58:59Z"),
    ("2026-11-30T08:45:30.123456789Z", "2026-11-30T08:45:30.123456Z"), ("2026-11-30", "2026-11-30T00:00:00Z"),
    ("2024-02-29", "2024-02-29T00:00:00Z"), ("0001-01-01", "0001-01-01T00:00:00Z"),
    ("9999-12-31", "9999-12-31T00:00:00Z"), ("2026-11-30T08:45:30-00:00", "2026-11-30T08:45:30Z"),
    ("2026-11-30T08:45:30.0Z", "2026-11-30T08:45:30Z"),
]  # fmt: skip
BAD = [
    "", "2026-W48-1", "2026W481", "2026-W48", "2026-334", "20261130", "20261130T080000Z", "2026-11-30T0845Z",
    "2026-11-30T08Z", "2026-11-30T08:45Z", "2026-11-30T08:45:30", "2026-11-30T08:45:30+0100",
    "2026-11-30T08:45:30+01", "2026-11-30 08:45:30Z", "2026-11-30T08:45:30,5Z", "2026-11-30T08:45:30.Z",
    "2026-11-30T08:45:60Z", "2026-11-30T24:00:00Z", "2026-02-29", "2026-13-45", "2026-00-10", "0000-01-01",
    "\uff12026-11-30", "2026-11-\uff13\uff10T08:45:30Z", "\u0662\u0660\u0662\u0666-11-30",
    "2026-11-30T08:45:30+24:00", "2026-11-30T08:45:30+01:60", "0001-01-01T00:00:00+01:00",
    "9999-12-31T23:59:59-00:01", "2026-11-30Z", " 2026-11-30", "2026-11-30\n", "2026-11-30T08:45:30Z\n",
    "2026-11-30T08:45:30 Z", "2026-11-30T08:45:30UTC", "2026-11-30T08:45:30z+01:00", "1764492330", "now",
    "yesterday", "26-11-30", "2026/11/30", "30.11.2026", "+2026-11-30", "-2026-11-30", "2026-1-3",
    "2026-11-30T8:45:30Z", "2026-11-30T08:45:30\u2212 01:00", "2026-11-30T08:45:30Z[Europe/Paris]",
    "2026-11-30T08:45:30." + "1" * 21 + "Z", "P1D", "null",
]  # fmt: skip


@pytest.mark.parametrize(("text", "moment"), GOOD)
def test_times_as_rfc_3339_has_them(text: str, moment: str) -> None:
    assert parse_timestamp("since", text) == datetime.fromisoformat(moment)


@pytest.mark.parametrize("text", BAD)
def test_everything_else_is_no_time(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        parse_timestamp("since", text)
    assert list(refused.value.fields or ()) == ["since"] and "2026-11-22" in str(refused.value)


@pytest.mark.django_db
def test_pages_api_and_commands_read_times_the_same_way(api, admin_key) -> None:
    """Queries, bodies and their lists: what one of them takes the others take."""
    endpoint = api(admin_key).post(
        "/v1/webhook-endpoints", {"url": "https://hooks.example.com/a", "event_types": ["order.*"]}
    )
    replay = f"/v1/webhook-endpoints/{endpoint.json()['id']}/replay"
    key = {"name": "x", "type": "partner", "scopes": ["users:read"]}
    app = {"name": "x", "platform": "ios", "app_id": "com.acme.app"}
    for text in (
        "2027-01-30t08:45:30z",
        "2027-01-30T08:45:30+01:00",
        "20270130T080000Z",
        "2027-W04-6",
        "2027-01-3\uff10",
    ):
        good = text[4] == "-" and text[5] != "W" and text.isascii()
        past = quote(text.replace("2027", "2025"))
        queries = [f"/v1/{path}?since={past}" for path in ("audit-log", "events", "deliveries")]
        queries += [f"/v1/audit-log/export?format=csv&until={past}", f"/v1/usage?interval=day&until={past}"]
        statuses = {path: api(admin_key).get(path).status_code for path in queries}
        statuses["replay"] = api(admin_key).post(replay, {"since": text, "dry_run": True}).status_code
        assert set(statuses.values()) == {200 if good else 400}, (text, statuses)
        made = [api(admin_key).post("/v1/api-keys", {**key, "expires_at": text}).status_code]
        made.append(api(admin_key).post("/v1/sdk-keys", {**app, "expires_at": text}).status_code)
        assert made == [201 if good else 400] * 2, text


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("query", "name", "text"),
    [("until=9999-12-31", "To day", "9999-12-31"), ("since=2026-13-45", "From day", "2026-13-45"),
     ("since=2026-W48-1", "From day", "2026-W48-1"), ("since=20261130", "From day", "20261130"),
     ("since=\uff12026-11-30", "From day", "\uff12026-11-30"), ("since=2026-11-30T08:00Z", "From day", "2026-11-30T"),
     ("until=2026-02-30&since=2026-02-01", "To day", "2026-02-30"), ("key=key_x", "Key", "key_x"),
     ("category=colour", "Kind", "colour"), ("action=x", "Action", "x"), ("actor=Ada", "Who", "Ada"),
     ("request_id=short", "Request id", "short"),
     ("target=ipk_AbCd12345678901234567890", "Target", "ipk_AbCd[redacted]")],
)  # fmt: skip
def test_the_audit_page_names_what_it_cannot_use(browser_of: Any, dev: Any, query: str, name: str, text: str) -> None:
    answer = browser_of(dev).get(f"{PAGE}?{query}")
    assert answer.status_code == 200 and answer.context["entries"] == []
    assert (
        answer.context["unusable"].startswith(f"{name}: \u201c{text}")
        and "\u201d can't be used" in answer.context["unusable"]
    )
    assert f"{name}: \u201c{text}" in answer.content.decode()


@pytest.mark.django_db
def test_two_filters_that_cannot_be_used_are_both_named(browser_of: Any, dev: Any) -> None:
    text = browser_of(dev).get(f"{PAGE}?since=soon&until=late&category=change").context["unusable"]
    assert "From day: \u201csoon\u201d" in text and "To day: \u201clate\u201d" in text and "Kind" not in text


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("page", "query"),
    [("organization/members/", "role=king"), ("integration/api-keys/", "status=lost"),
     ("integration/api-keys/inventory/", "finding=gold"), ("integration/usage/", "span=99d"),
     ("integration/webhooks/{endpoint}/", "status=lost"),
     ("integration/webhooks/{endpoint}/", "since=2026-11-30")],
)  # fmt: skip
def test_a_page_says_which_filter_it_ignored(browser_of: Any, ada: Any, acme: Any, page: str, query: str) -> None:
    endpoint = make_endpoint(acme)
    answer = browser_of(ada).get(f"/o/acme/settings/{page.format(endpoint=endpoint.public_id)}?{query}")
    name, _equals, text = query.partition("=")
    assert answer.status_code == 200
    assert f"Filter ignored: {name} can&#x27;t be \u201c{text}\u201d." in answer.content.decode()


@pytest.mark.django_db
def test_a_replay_takes_the_times_of_a_browsers_control(browser_of: Any, ada: Any, acme: Any) -> None:
    path = f"/o/acme/settings/integration/webhooks/{make_endpoint(acme).public_id}/replay/"
    for text, good in (
        ("2026-11-01T08:00", True), ("2026-11-01T08:00:30", True), ("2026-W48-1", False), ("20261101T080000", False),
        ("\uff12026-11-01T08:00", False), ("11/01/2026 08:00", False), ("2026-11-01", False),
        ("2026-13-01T08:00", False),
    ):  # fmt: skip
        form = browser_of(ada).get(path, {"status": "exhausted", "since": text}).context["form"]
        assert ("since" not in form.errors) == good, text

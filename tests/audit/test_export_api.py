"""``GET /v1/audit-log/export``: who may, what it accepts, what is in it, in which order, and how it ends."""

import csv
import io
import json
import re
from dataclasses import replace
from typing import Any

import pytest
from django.db import transaction
from django.test import Client

from apps.audit.calls.recording import record_call
from apps.audit.exports import reader
from apps.audit.models import ApiCall, AuditEntry
from apps.audit.seal import sealer
from apps.audit.seal.chain import canonical_of_line, genesis, link_hash
from apps.audit.timeline import changes_and_calls, sources
from apps.audit.timeline.serialization import COLUMNS
from apps.base.rest.request_identity import AuthResult
from apps.base.web.downloads import FORMULA_CHARACTERS, UTF8_BOM
from tests.audit.chains import verify
from tests.audit.conftest import call_arguments, change, key_actor, person
from tests.audit.test_timeline import attempt

pytestmark = pytest.mark.django_db
PATH = "/v1/audit-log/export"
# Promise 32: what a spreadsheet may run, or trip over. A NUL never gets in: ``sanitize`` replaces it.
TRAPS = [
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    '"=1"',
    "a\0=1",
    "＝1",
    "\ufeff=1",
    " =1",
    "'=1",
    "x;=1",
]


def lines(answer: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in answer.getvalue().decode().splitlines()]


def table(answer: Any) -> list[dict[str, str]]:
    text = answer.getvalue().decode()
    assert text.startswith(UTF8_BOM)
    return list(csv.DictReader(io.StringIO(text.removeprefix(UTF8_BOM), newline="")))


def unescaped(cell: str) -> str:
    """Read a cell back by the rule that docs/api.md gives."""
    inner = rf"(\A|[;\t\r\n])'(?=[\s']*[{FORMULA_CHARACTERS}])|\A'(?='*[\t\r\n])"
    return re.sub(inner, lambda match: match[1] or "", cell)


@pytest.fixture
def full(organization) -> None:
    """Three changes, of which one is not sealed, two calls and two deliveries."""
    ada, key = person(organization), key_actor(organization)
    change(ada, target_label="first")
    change(ada, "api_key.revoked", target_label="second", changes={"status": ["active", "revoked"]})
    sealer.seal_due()
    for _ in range(2):
        record_call(**call_arguments(AuthResult(actor=key)))
        attempt(organization)
    change(ada, target_label="not sealed")


def test_all_three_kinds_changes_by_number_once_sealed(api, admin_key, full, organization):
    answer = api(admin_key).get(f"{PATH}?format=jsonl")
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/x-ndjson")
    assert re.fullmatch(r'attachment; filename="audit-log-[-0-9T]+Z\.jsonl"', answer["Content-Disposition"])
    rows = lines(answer)
    changes = [row for row in rows if row["category"] == "change"]
    assert [row["seq"] for row in changes] == list(range(1, len(changes) + 1))
    assert [row["target"]["label"] for row in changes][-2:] == ["first", "second"]
    kinds = [row["category"] for row in rows if row["category"] != "change"]
    assert kinds == ["api_call", "api_call", "delivery", "delivery"]
    assert rows.index(changes[-1]) == len(changes) - 1


def test_a_line_is_what_the_list_shows(api, admin_key, full):
    shown = {row["id"]: row for row in api(admin_key).get("/v1/audit-log?limit=200").json()}
    rows = [row for row in lines(api(admin_key).get(f"{PATH}?format=jsonl")) if row["action"] != "api.call"]
    assert len(rows) > 4 and [shown[row["id"]] for row in rows] == rows


def test_the_lines_carry_what_the_chain_is_made_of(api, admin_key, full, organization):
    before = genesis(organization.public_id)
    for row in lines(api(admin_key).get(f"{PATH}?format=jsonl&category=change")):
        assert row["hash"] == link_hash(before, canonical_of_line(row))
        before = row["hash"]


def test_the_same_rows_as_csv(api, admin_key, full):
    rows = table(api(admin_key).get(f"{PATH}?format=csv&category=change"))
    assert tuple(rows[0]) == COLUMNS
    last = rows[-1]
    assert (last["action"], last["actor_label"], last["target_label"]) == ("api_key.revoked", "Ada", "second")
    assert json.loads(last["changes"]) == {"status": ["active", "revoked"]} and last["status"] == ""
    calls = table(api(admin_key).get(f"{PATH}?format=csv&category=api_call"))
    assert [(row["method"], row["route"], row["status"]) for row in calls][:2] == [("GET", "/v1/users", "200")] * 2


@pytest.mark.parametrize("trap", TRAPS)
def test_no_cell_is_a_formula_and_every_one_reads_back(api, admin_key, organization, trap: str):
    ada = replace(person(organization, trap), user_agent=trap)
    entry = change(ada, target_label=trap, changes={"name": [trap, trap]})
    sealer.seal_due()
    answer = api(admin_key).get(f"{PATH}?format=csv&actor={ada.id}")
    (row,) = table(answer)
    for cell in row.values():
        assert not re.match(rf"\s*[{FORMULA_CHARACTERS}]|[\t\r\n]", cell), cell
    back = {name: unescaped(cell) for name, cell in row.items()}
    assert (back["actor_label"], back["target_label"], back["user_agent"]) == (
        entry.actor_label, entry.target_label, entry.user_agent,
    )  # fmt: skip
    assert json.loads(back["changes"]) == entry.changes
    (line,) = lines(api(admin_key).get(f"{PATH}?format=jsonl&actor={ada.id}"))
    assert (line["actor"]["label"], line["changes"]) == (entry.actor_label, entry.changes)


@pytest.mark.parametrize(
    ("query", "found"),
    [("category=delivery", 2), ("category=api_call&target=/v1/users", 2), ("action=api_key.revoked", 1),
     ("request_id=request-12345678", 2), ("request_id=nobody-has-this", 0), ("since=2099-01-01", 0),
     ("until=2020-01-01", 0), ("actor=system&category=delivery", 2)],
)  # fmt: skip
def test_exactly_what_the_filters_choose(api, admin_key, full, query: str, found: int):
    assert len(lines(api(admin_key).get(f"{PATH}?format=jsonl&{query}"))) == found


@pytest.mark.parametrize(
    "query",
    ["", "format=xml", "format=", "format=csv&category=x", "format=csv&actor=Ada", "format=csv&since=soon",
     "format=jsonl&key=x", "format=csv&request_id=x"],
)  # fmt: skip
def test_a_bad_parameter_is_named_and_nothing_recorded(api, admin_key, query: str):
    answer = api(admin_key).get(f"{PATH}?{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
    assert list(answer.json()["fields"]) == [query.rpartition("&")[2].partition("=")[0] or "format"]
    assert not AuditEntry.objects.filter(action="audit.exported").exists()


@pytest.mark.parametrize(
    ("accept", "file_format", "status"),
    [("text/csv", "csv", 200), ("text/*", "csv", 200), ("application/json", "csv", 200), ("*/*", "jsonl", 200),
     ("application/x-ndjson", "jsonl", 200), ("application/jsonl", "jsonl", 200), ("text/csv", "jsonl", 406),
     ("application/x-ndjson", "csv", 406), ("image/png", "csv", 406), ("text/csv;q=0", "csv", 406),
     ("image/png, text/csv;q=0.1", "csv", 200), ("text/csv", "xml", 400)],
)  # fmt: skip
def test_what_accept_must_admit(api, admin_key, accept: str, file_format: str, status: int):
    answer = api(admin_key).get(f"{PATH}?format={file_format}", headers={"Accept": accept})
    assert answer.status_code == status
    if status != 200:
        assert answer.json()["code"] == {406: "not_acceptable", 400: "invalid_request"}[status]


def test_it_is_an_entry_of_the_log_itself_and_one_call(api, admin_key):
    answer = api(admin_key).get(f"{PATH}?format=jsonl&category=change&key={admin_key.row.public_id}&since=2026-01-01")
    answer.getvalue()
    entry = AuditEntry.objects.get(action="audit.exported")
    assert (entry.actor_id, entry.request_id) == (admin_key.row.public_id, answer["X-Request-ID"])
    assert entry.changes == {
        "format": [None, "jsonl"], "category": [None, "change"], "key_id": [None, admin_key.row.public_id],
        "since": [None, "2026-01-01T00:00:00Z"],
    }  # fmt: skip
    call = ApiCall.objects.get()
    assert (call.route, call.status, call.request_id) == (PATH, 200, answer["X-Request-ID"])


def test_it_counts_once_on_the_limits(api, make_key, acme):
    key = make_key(acme, "audit:read")
    first = api(key).get("/v1/audit-log")
    answer = api(key).get(f"{PATH}?format=csv")
    assert int(first["RateLimit-Remaining"]) - int(answer["RateLimit-Remaining"]) == 1


def test_head_tells_the_headers_and_records_nothing(api, admin_key):
    answer = api(admin_key).head(f"{PATH}?format=csv")
    assert (answer.status_code, answer["Content-Type"]) == (200, "text/csv; charset=utf-8")
    assert answer.getvalue() == b"" and not AuditEntry.objects.filter(action="audit.exported").exists()


def test_people_export_by_their_role(browser_of, ada, dev, vera, zed):
    html = {"Accept": "text/html"}
    for user, status in ((ada, 200), (dev, 403), (vera, 403), (zed, 404)):
        browser: Client = browser_of(user)
        assert browser.get(f"{PATH}?format=csv&organization=acme", headers=html).status_code == status
        assert (
            browser.get(f"{PATH}?format=x&organization=acme", headers=html).status_code == (400, status)[status != 200]
        )
    # The list itself is a page of the browsable API for developers.
    assert browser_of(dev).get("/v1/audit-log?organization=acme", headers=html).status_code == 200


def test_another_organizations_rows_are_not_in_it(api, rival_key, full):
    rows = lines(api(rival_key).get(f"{PATH}?format=jsonl"))
    assert {row["actor"]["id"] for row in rows} <= {"system", rival_key.row.public_id}
    assert not [row for row in rows if row["category"] == "delivery"]


def test_the_sentences_are_english(browser_of, ada, full):
    ada.language = "fr"
    ada.save()
    answer = browser_of(ada).get(
        f"{PATH}?format=jsonl&organization=acme&action=api_key.revoked", headers={"Accept": "text/html"}
    )
    assert [row["sentence"] for row in lines(answer)] == ["Ada revoked the API key second"]


def test_steps_of_any_size_give_the_same_rows(api, admin_key, full, monkeypatch):
    whole = lines(api(admin_key).get(f"{PATH}?format=jsonl&until=2099-01-01"))
    monkeypatch.setattr(sources, "STEP", 1)
    monkeypatch.setattr(changes_and_calls, "STEP", 1)
    again = lines(api(admin_key).get(f"{PATH}?format=jsonl&until=2099-01-01"))
    # Between them only the first export's own call was added.
    assert [row for row in again if row["target"]["id"] != PATH] == whole


def test_an_error_on_the_way_is_the_last_line(api, admin_key, full, monkeypatch):
    def broken(*_args: Any) -> Any:
        raise RuntimeError("the database went away")

    monkeypatch.setattr(changes_and_calls.Calls, "step", broken)
    for file_format in ("jsonl", "csv"):
        answer, pieces = api(admin_key).get(f"{PATH}?format={file_format}"), []
        with pytest.raises(RuntimeError):
            pieces.extend(answer)
        text = b"".join(pieces).decode().splitlines()
        assert "stopped here, before its end" in text[-1] and answer["X-Request-ID"] in text[-1]
        assert "database went away" not in text[-1] and len(text) > 2


def test_what_commits_late_with_a_lower_key_is_in_the_next_one(api, admin_key, organization):
    """Promise 25: each export goes on after the last number of the one before, and nothing is missing or twice."""
    ada = person(organization)
    with transaction.atomic():
        early = change(ada, target_label="late", target_id="key_late")
        transaction.set_rollback(True)
    change(ada, target_id="key_first")
    sealer.seal_due()
    first = lines(api(admin_key).get(f"{PATH}?format=jsonl&actor={ada.id}"))
    # Its key was made before that of what is sealed by now.
    AuditEntry.objects.bulk_create([early])
    sealer.seal_due()
    second = lines(api(admin_key).get(f"{PATH}?format=jsonl&actor={ada.id}"))
    assert [row["target"]["id"] for row in first] == ["key_first"]
    assert [row["target"]["id"] for row in second] == ["key_first", "key_late"]
    assert second[1]["id"] < second[0]["id"] and second[1]["seq"] > second[0]["seq"]


def test_since_enters_the_chain_near_its_number(organization, django_assert_max_num_queries):
    ada = person(organization)
    for number in range(20):
        change(ada, target_label=str(number))
        sealer.seal_due()
    moment = AuditEntry.objects.order_by("pk")[10].at
    with django_assert_max_num_queries(40):
        filters = sources.Filters(category="change", since=moment)
        legs, rows = reader.remaining_spans(ada, filters), []
        while legs:
            found, legs = reader.read_step(ada, filters, legs)
            rows += found
    assert [row.target.label for row in rows] == [str(number) for number in range(10, 20)]


def test_verify_audit_accepts_the_file(api, admin_key, full, tmp_path):
    path = tmp_path / "export.jsonl"
    path.write_bytes(api(admin_key).get(f"{PATH}?format=jsonl").getvalue())
    out, sentence = verify("--file", str(path))
    assert sentence == "" and "organization: acme" in out and "other_rows: 4" in out
    text = path.read_text()
    path.write_text(text.replace('"second"', '"third"'))
    assert "The first bad sequence number is 3" in verify("--file", str(path))[1]

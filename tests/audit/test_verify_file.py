"""An export is checked as somebody outside would: what it proves, what not, and the first line that is wrong."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError

from apps.audit.models import AuditEntry
from apps.audit.seal import checkpoints
from apps.audit.seal.chain import canonical_of_line, genesis, link_hash
from apps.audit.seal.export_check import check_lines
from apps.base.identifiers import encode
from tests.audit.chains import export_lines, falsify, owner_of_the_database, seal_anew, sealed_log, verify, write_lines
from tests.conventions.tree import ROOT

pytestmark = pytest.mark.django_db


@pytest.fixture
def lines(organization) -> list[dict[str, Any]]:
    sealed_log(organization)
    return export_lines(organization)


@pytest.fixture
def elsewhere(lines, monkeypatch) -> None:
    """The portal that the file came from is not there: the file is all there is."""
    monkeypatch.setattr("apps.audit.management.commands.verify_audit.organization_of", lambda entry_id: None)


def first_bad(*arguments: str) -> int:
    _out, sentence = verify(*arguments)
    assert "The first bad sequence number is " in sentence, sentence
    return int(sentence.partition("number is ")[2].partition(":")[0])


def test_the_hash_is_that_of_the_exported_line(lines, organization):
    """What the API writes is what was hashed."""
    previous = genesis(encode("org", organization.pk))
    for line in lines:
        previous = link_hash(previous, canonical_of_line(line))
        assert line["hash"] == previous


def test_a_whole_export_is_verified(lines, tmp_path):
    out, sentence = verify("--file", write_lines(tmp_path / "export.jsonl", lines))
    assert sentence == ""
    assert "organization: acme\nchanges: 12\nfirst: 1\nlast: 12\nnot_proved: -\n" in out


def test_rows_of_other_categories_are_counted(lines, tmp_path):
    call = {**lines[0], "category": "api_call", "seq": None, "hash": None}
    out, sentence = verify("--file", write_lines(tmp_path / "export.jsonl", [call, *lines, call]))
    assert sentence == "" and "changes: 12" in out and "other_rows: 2" in out


@pytest.mark.usefixtures("elsewhere")
def test_a_file_alone_does_not_prove_its_first_change(lines, tmp_path):
    path = write_lines(tmp_path / "export.jsonl", lines[4:])
    out, sentence = verify("--file", path)
    assert sentence == "" and "changes: 8\nfirst: 5\nlast: 12" in out
    assert "not_proved: the changes 5: the hash before is not known" in out
    out, sentence = verify("--file", path, "--org", "acme")
    assert sentence == "" and "not_proved: -" in out


FIELDS = ["id", "seq", "at", "actor", "action", "target", "changes", "outcome", "source", "request_id", "hash"]


@pytest.mark.parametrize("where", ["elsewhere", "here"])
@pytest.mark.parametrize("name", FIELDS)
def test_an_edit_of_a_field(lines, name, where, tmp_path, request):
    if where == "elsewhere":
        request.getfixturevalue("elsewhere")
    value = lines[6][name]
    changed = (
        {"x": 1} if isinstance(value, dict) else 8 if name == "seq" else value[:-1] + ("y" if value[-1] == "x" else "x")
    )
    lines[6] = {**lines[6], name: changed}
    assert first_bad("--file", write_lines(tmp_path / "export.jsonl", lines)) == 7


@pytest.mark.parametrize("index", [0, 4])
def test_an_edit_of_the_first_change_shows_where_the_portal_is_asked(lines, index, tmp_path):
    lines[index]["outcome"] = "denied"
    assert first_bad("--file", write_lines(tmp_path / "export.jsonl", lines[index:])) == index + 1


def test_what_is_taken_out_put_in_or_moved(lines, tmp_path):
    path = tmp_path / "export.jsonl"
    assert first_bad("--file", write_lines(path, lines[:6] + lines[7:])) == 7
    assert first_bad("--file", write_lines(path, [*lines[:6], lines[8], *lines[6:]])) == 7
    assert first_bad("--file", write_lines(path, [*lines[:6], lines[7], lines[6], *lines[8:]])) == 7
    assert first_bad("--file", write_lines(path, [*lines[:6], {**lines[0], "seq": 7}, *lines[7:]])) == 7


def test_a_filtered_export_is_checked_as_far_as_it_goes(lines, tmp_path):
    path = write_lines(tmp_path / "export.jsonl", [*lines[:3], *lines[5:7], lines[9]])
    assert "say --filtered" in verify("--file", path)[1]
    out, sentence = verify("--file", path, "--filtered")
    assert sentence == "" and "changes: 6" in out and "missing: 4 to 5, 8 to 9" in out and "not_proved: -" in out
    lines[5]["outcome"] = "denied"
    assert first_bad("--file", write_lines(Path(path), [*lines[:3], *lines[5:7]]), "--filtered") == 6


@pytest.mark.usefixtures("elsewhere")
def test_gaps_are_not_proved_by_the_file_alone(lines, tmp_path):
    path = write_lines(tmp_path / "export.jsonl", [*lines[:3], *lines[5:7], lines[9]])
    assert "not_proved: the changes 1, 6, 10:" in verify("--file", path, "--filtered")[0]


def test_an_export_that_was_taken_up_again(lines, tmp_path):
    out, sentence = verify("--file", write_lines(tmp_path / "export.jsonl", lines[:7] + lines[4:]))
    assert sentence == "" and "changes: 12" in out and "repeated: 3" in out
    again = [{**line, "outcome": "denied"} for line in lines[4:6]]
    assert first_bad("--file", write_lines(tmp_path / "export.jsonl", lines[:7] + again + lines[6:])) == 5


def test_a_cut_end_and_a_chain_made_anew(lines, organization, tmp_path):
    point = tmp_path / "checkpoint.json"
    point.write_text(json.dumps(checkpoints.as_json(checkpoints.create(organization.pk))))
    path = write_lines(tmp_path / "export.jsonl", lines)
    assert verify("--file", path, "--checkpoint", str(point))[1] == ""
    assert first_bad("--file", write_lines(tmp_path / "cut.jsonl", lines[:9]), "--checkpoint", str(point)) == 10
    # Whoever has the file can find that the database was rewritten, and the other way round.
    falsify("UPDATE audit_auditentry SET outcome = 'denied' WHERE target_id = 'key_3'")
    with owner_of_the_database():
        seal_anew(organization, 4)
    assert first_bad("--file", path) == 12
    anew = write_lines(tmp_path / "anew.jsonl", export_lines(organization))
    assert first_bad("--file", anew, "--checkpoint", str(point)) == 12


def test_of_another_organization(lines, other, tmp_path):
    path = write_lines(tmp_path / "export.jsonl", lines)
    assert first_bad("--file", path, "--org", "rival") == 1
    sealed_log(other, 2)
    point = tmp_path / "checkpoint.json"
    point.write_text(json.dumps(checkpoints.as_json(checkpoints.create(other.pk))))
    assert "two organizations" in verify("--file", path, "--org", "acme", "--checkpoint", str(point))[1]
    assert first_bad("--file", path, "--checkpoint", str(point)) == 1


BROKEN = {
    "csv": (b"id,seq,hash\naud_x,1,ab\n", "a CSV file cannot be verified"),
    "pdf": (b"%PDF-1.7\x00\xff\n", "This is not an export as JSON Lines"),
    "empty": (b"", "There is no change in this file"),
    "blank": (b"\n\n", "There is no change in this file"),
    "array": (b"[]\n", "This is not an export as JSON Lines"),
    "deep": (b"[" * 100_000 + b"\n", "This is not an export as JSON Lines"),
    "object": (b"{}\n", "This is not an export as JSON Lines"),
    "unsealed": (b'{"category":"change","seq":null,"hash":null}\n', "Line 1 is a change without a sequence number"),
    "no number": (b'{"category":"change","seq":true,"hash":"x"}\n', "Line 1 is a change without a sequence number"),
    "calls": (b'{"category":"api_call"}\n', "There is no change in this file"),
    "cut short": (b'{"category":"api_call"}\n{"category":"chan', "Line 2 is not a row of an export"),
    "a name twice": (b'{"category":"change","seq":1,"hash":"x","seq":2}\n', "This is not an export as JSON Lines"),
    "one field": (b'{"category":"change","seq":1,"hash":"x"}\n', "a field of it is missing"),
    "surrogate": (b'{"category":"change","seq":1,"hash":"x","id":"\\ud800"}\n', "a field of it is missing"),
}  # fmt: skip


@pytest.mark.parametrize(("content", "says"), BROKEN.values(), ids=BROKEN.keys())
def test_a_file_of_another_kind_is_refused_in_a_sentence(organization, tmp_path, content, says):
    path = tmp_path / "file"
    path.write_bytes(content)
    sentence = verify("--file", str(path))[1]
    assert says in sentence and "\n" not in sentence


def test_text_that_is_no_text_is_a_bad_row(lines, tmp_path):
    """A lone surrogate can be written as JSON and cannot be hashed."""
    lines[6]["request_id"] = "\ud800"
    path = tmp_path / "export.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert first_bad("--file", str(path)) == 7


def test_it_is_read_line_by_line(lines):
    """Memory does not grow with the file: what is remembered of repetitions is bounded."""
    calls = []
    report = check_lines((json.dumps(line).encode() for line in lines), lambda seq: calls.append(seq), {})
    assert report.count == 12 and calls == [0, 12] and report.unproved == [1]


def test_the_twenty_lines_of_the_documentation_verify_it(lines, organization, tmp_path):
    program = re.search(r"```python\n(.*?)```", (ROOT / "docs/audit.md").read_text(), re.DOTALL)[1]
    assert len(program.splitlines()) <= 20
    (tmp_path / "check.py").write_text(program)

    def run(shown: list[dict[str, Any]]) -> str:
        path = write_lines(tmp_path / "export.jsonl", shown)
        command = [sys.executable, "-I", str(tmp_path / "check.py"), path, encode("org", organization.pk)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == (1 if done.stderr else 0)
        return done.stdout + done.stderr

    assert run(lines) == "12 changes follow each other, 1 to 12\n"
    assert run([{**lines[0], "outcome": "denied"}, *lines[1:]]) == "bad: 1\n"
    assert run([*lines[:6], {**lines[6], "at": "2026-01-01T00:00:00.000Z"}, *lines[7:]]) == "bad: 7\n"
    assert run(lines[4:]) == "8 changes follow each other, 5 to 12\n"
    assert AuditEntry.objects.count() == 12


def test_a_portal_without_a_database_checks_a_file_too(lines, organization, monkeypatch, tmp_path):
    def gone(*_rows: Any) -> Any:
        raise OperationalError

    path = write_lines(tmp_path / "export.jsonl", lines)
    monkeypatch.setattr("django.db.models.query.QuerySet._fetch_all", gone)
    out, sentence = verify("--file", path)
    assert sentence == "" and "organization: -\nchanges: 12" in out and "not_proved: the changes 1:" in out

"""Every way to falsify a log is found, at the exact number."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from apps.audit.models import AuditEntry, Checkpoint
from apps.audit.seal import checkpoints, sealer
from tests.audit.chains import falsify, owner_of_the_database, seal_anew, sealed_log, seals_of, stored, verify
from tests.audit.conftest import change, person

pytestmark = pytest.mark.django_db

ENTRY, SEAL = "audit_auditentry", "audit_seal"


@pytest.fixture
def log(organization) -> list[AuditEntry]:
    return sealed_log(organization)


@pytest.fixture
def outside(organization, log, tmp_path) -> str:
    """A checkpoint of the whole log, kept elsewhere."""
    made = checkpoints.create(organization.pk)
    path = tmp_path / "checkpoint.json"
    path.write_text(json.dumps(checkpoints.as_json(made)))
    return str(path)


def first_bad(*arguments: str) -> int:
    out, sentence = verify("--org", "acme", *arguments)
    assert "The first bad sequence number is " in sentence and "BAD from" in out, sentence
    return int(sentence.partition("number is ")[2].partition(":")[0])


def test_an_untouched_log_is_verified(log, organization, other, outside):
    sealed_log(other, 3)
    out, sentence = verify()
    assert sentence == ""
    assert "acme: 12 changes verified; numbers 1 to 12; 1 checkpoints; 0 digests of hours" in out
    assert "rival: 3 changes verified; numbers 1 to 3" in out and "changes: 15" in out
    assert verify("--org", "acme", "--checkpoint", outside)[1] == ""


def test_what_waits_for_its_seal_is_no_fault(log, organization):
    change(person(organization))
    out, sentence = verify("--org", "acme")
    assert sentence == "" and "12 changes verified" in out and "1 wait for their seal" in out


COLUMNS = ("actor_kind", "actor_id", "actor_label", "action", "target_kind", "target_id", "target_label", "outcome",
           "address", "user_agent", "request_id")  # fmt: skip


@pytest.mark.parametrize("column", COLUMNS)
def test_an_edit_of_a_field(log, column):
    falsify(f"UPDATE {ENTRY} SET {column} = %s WHERE id = %s", "denied", stored(log[6].pk))
    assert first_bad() == 7


@pytest.mark.parametrize("value", ["{}", '{"name": [null, "Käse 66"]}', "[]"])
def test_an_edit_of_the_changes(log, value):
    falsify(f"UPDATE {ENTRY} SET changes = %s WHERE id = %s", value, stored(log[6].pk))
    assert first_bad() == 7


@pytest.mark.parametrize("interval", ["1 hour", "-1 day", "0.001 seconds", "0.000001 seconds"])
def test_an_edit_of_the_clock(log, interval):
    if connection.vendor == "postgresql":
        falsify(f"UPDATE {ENTRY} SET at = at + %s::interval WHERE id = %s", interval, stored(log[6].pk))
    else:
        at = log[6].at.replace(tzinfo=None)
        shifted = (
            at.isoformat(" ", "microseconds")[:-1] + "1" if "0.0" in interval else at.isoformat(" ")[:10] + " 00:00:01"
        )
        falsify(f"UPDATE {ENTRY} SET at = %s WHERE id = %s", shifted, stored(log[6].pk))
    assert first_bad() == 7


def test_a_hash_that_was_written_over(log):
    falsify(f"UPDATE {SEAL} SET hash = %s WHERE entry_id = %s", "0" * 64, stored(log[6].pk))
    assert first_bad() == 7


@pytest.mark.parametrize("tables", [(ENTRY,), (SEAL,), (SEAL, ENTRY)], ids=str)
def test_a_row_that_is_gone(log, tables):
    with owner_of_the_database() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("PRAGMA defer_foreign_keys = ON")
        for table in tables:
            name = "id" if table == ENTRY else "entry_id"
            cursor.execute(f"DELETE FROM {table} WHERE {name} = %s", [stored(log[6].pk)])
        assert first_bad() == 7
        if tables == (ENTRY,):
            return _put_back(cursor, log[6])


def _put_back(cursor: Any, entry: AuditEntry) -> None:
    """The test's own database is checked for dangling references at its end."""
    cursor.execute(f"DELETE FROM {SEAL} WHERE entry_id = %s", [stored(entry.pk)])


def test_two_entries_that_changed_places(log):
    with owner_of_the_database() as cursor:
        for seq, entry in ((100, log[6]), (7, log[9]), (10, log[6])):
            cursor.execute(f"UPDATE {SEAL} SET seq = %s WHERE entry_id = %s", [seq, stored(entry.pk)])
    assert first_bad() == 7


def test_an_entry_that_was_put_between(log, organization):
    new = change(person(organization))
    with owner_of_the_database() as cursor:
        cursor.execute("DELETE FROM audit_unsealed")
        for seal in reversed(seals_of(organization)[6:]):
            cursor.execute(f"UPDATE {SEAL} SET seq = seq + 1 WHERE entry_id = %s", [stored(seal.entry_id)])
        cursor.execute(
            f"INSERT INTO {SEAL} (entry_id, organization_id, seq, hash, sealed_at) SELECT %s, organization_id, 7, hash,"
            f" sealed_at FROM {SEAL} WHERE seq = 6",
            [stored(new.pk)],
        )
    assert first_bad() == 7


def test_a_gap(log, organization):
    with owner_of_the_database() as cursor:
        for seal in reversed(seals_of(organization)[6:]):
            cursor.execute(f"UPDATE {SEAL} SET seq = seq + 1 WHERE entry_id = %s", [stored(seal.entry_id)])
    assert first_bad() == 7


def test_an_entry_of_another_organization(log, organization, other):
    theirs = sealed_log(other)
    with owner_of_the_database() as cursor:
        mine, their = stored(log[6].pk), stored(theirs[6].pk)
        cursor.execute(f"DELETE FROM {SEAL} WHERE entry_id = %s", [their])
        cursor.execute(f"UPDATE {SEAL} SET entry_id = %s WHERE entry_id = %s", [their, mine])
    assert first_bad() == 7


def test_an_entry_that_was_given_to_another_organization(log, other):
    falsify(f"UPDATE {ENTRY} SET organization_id = %s WHERE id = %s", stored(other.pk), stored(log[6].pk))
    assert first_bad() == 7


def test_a_seal_of_another_organization(log, organization, other):
    """Its hash follows from another beginning: it fits in nowhere."""
    theirs = sealed_log(other, 1)
    with owner_of_the_database() as cursor:
        cursor.execute(f"DELETE FROM {SEAL} WHERE entry_id = %s", [stored(log[0].pk)])
        cursor.execute(
            f"UPDATE {SEAL} SET organization_id = %s WHERE entry_id = %s",
            [stored(organization.pk), stored(theirs[0].pk)],
        )
        cursor.execute(
            f"UPDATE {ENTRY} SET organization_id = %s WHERE id = %s", [stored(organization.pk), stored(theirs[0].pk)]
        )
    assert first_bad() == 1


def cut_off(organization: Any, after: int) -> None:
    gone = [stored(seal.entry_id) for seal in seals_of(organization)[after:]]
    with owner_of_the_database() as cursor:
        for entry_id in gone:
            cursor.execute(f"DELETE FROM {SEAL} WHERE entry_id = %s", [entry_id])
            cursor.execute(f"DELETE FROM {ENTRY} WHERE id = %s", [entry_id])
        cursor.execute("DELETE FROM audit_checkpoint")


def test_a_truncated_log_is_reported_by_an_external_checkpoint(log, organization, outside):
    cut_off(organization, 9)
    assert verify("--org", "acme")[1] == ""
    assert first_bad("--checkpoint", outside) == 10


def test_an_end_that_was_cut_off_shows_by_the_own_checkpoints_too(log, organization, outside):
    kept = Checkpoint.objects.get()
    cut_off(organization, 9)
    kept.pk = None
    kept.save(force_insert=True)
    assert first_bad() == 10


def test_an_old_backup_that_went_on(log, organization, outside):
    """The old end, then other things happened: the numbers are there again, the hashes are not."""
    cut_off(organization, 9)
    for _ in range(8):
        change(person(organization))
    sealer.seal_due()
    assert verify("--org", "acme")[1] == ""
    assert first_bad("--checkpoint", outside) == 12


@pytest.mark.parametrize("seq", [2, 12])
def test_a_chain_that_was_made_anew(log, organization, outside, seq):
    falsify(f"UPDATE {ENTRY} SET target_id = 'key_of_somebody' WHERE id = %s", stored(log[seq - 1].pk))
    with owner_of_the_database() as cursor:
        seal_anew(organization, seq)
        cursor.execute("DELETE FROM audit_checkpoint")
    assert verify("--org", "acme")[1] == ""
    assert first_bad("--checkpoint", outside) == 12


def test_a_chain_made_anew_contradicts_the_own_checkpoints(log, organization, outside):
    falsify(f"UPDATE {ENTRY} SET target_id = 'key_of_somebody' WHERE id = %s", stored(log[3].pk))
    with owner_of_the_database():
        seal_anew(organization, 4)
    assert first_bad() == 12


@pytest.mark.parametrize("column", ["hash", "signature", "public_key"])
def test_a_checkpoint_that_was_changed(log, organization, outside, column):
    value = {"hash": "0" * 64, "signature": "A" * 86 + "==", "public_key": "A" * 43 + "="}[column]
    falsify(f"UPDATE audit_checkpoint SET {column} = %s", value)
    assert first_bad() == 12


def test_an_old_entry_that_nobody_sealed(log, organization, clock_back):
    clock_back(lambda: change(person(organization)))
    out, sentence = verify("--org", "acme")
    assert "Not in order: 1 entries are not sealed" in sentence and "12 changes verified" in out


def test_an_entry_that_was_slipped_past_the_queue(log, organization):
    entry = change(person(organization))
    falsify("DELETE FROM audit_unsealed WHERE entry_id = %s", stored(entry.pk))
    assert f"the entry {entry.public_id} has no seal" in verify("--org", "acme")[1]


@pytest.fixture
def clock_back(time_machine: Any) -> Callable[[Callable[[], Any]], None]:
    def at_an_earlier_time(work: Callable[[], Any]) -> None:
        time_machine.move_to(timezone.now() - timedelta(minutes=11), tick=True)
        work()
        time_machine.move_to(timezone.now() + timedelta(minutes=11), tick=True)

    return at_an_earlier_time


def test_the_first_of_several_faults_is_named(log):
    for number in (10, 4, 8):
        falsify(f"UPDATE {ENTRY} SET actor_id = 'x' WHERE id = %s", stored(log[number - 1].pk))
    assert first_bad() == 4


def test_each_organization_is_judged_for_itself(log, other):
    sealed_log(other, 3)
    falsify(f"UPDATE {ENTRY} SET actor_id = 'x' WHERE id = %s", stored(log[1].pk))
    out, sentence = verify()
    assert "rival: 3 changes verified" in out and sentence.startswith("acme: The first bad sequence number is 2")
    assert verify("--org", "rival")[1] == ""
    out, _sentence = verify("--json")
    assert json.loads(out)["bad"] == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--org", "nobody"), "There is no organization with the slug 'nobody'."),
        (("--checkpoint", "/does/not/exist"), "The file /does/not/exist cannot be read: No such file or directory."),
        (("--checkpoint", "/"), "The file / cannot be read: Is a directory."),
        (("--file", "/does/not/exist"), "The file /does/not/exist cannot be read: No such file or directory."),
        (("--file", "/"), "The file / cannot be read: Is a directory."),
    ],
)
def test_a_wrong_argument_is_one_sentence(organization, arguments, says):
    assert verify(*arguments) == ("", says)


@pytest.mark.parametrize("change_it", [
    lambda document: document | {"seq": 11}, lambda document: document | {"hash": "0" * 64},
    lambda document: document | {"signature": "nonsense"}, lambda document: document | {"public_key": "é"},
    lambda document: document | {"key_id": "0" * 16}, lambda document: document | {"seq": "12"},
    lambda document: [document], lambda document: document | {"seq": True},
])  # fmt: skip
def test_a_file_that_is_no_checkpoint(log, outside, tmp_path, change_it):
    path = tmp_path / "changed.json"
    path.write_text(json.dumps(change_it(json.loads(Path(outside).read_text()))))
    out, sentence = verify("--checkpoint", str(path))
    assert out == "" and ("no checkpoint" in sentence or "signature does not hold" in sentence)


def test_a_checkpoint_of_another_organization_or_key(log, organization, other, outside, settings, tmp_path):
    assert verify("--org", "rival", "--checkpoint", outside)[1] == "The checkpoint is of another organization."
    old_key = checkpoints.own_public_key()
    settings.AUDIT_SIGNING_KEY = b"n" * 32
    assert "is not the portal's of today" in verify("--checkpoint", outside)[1]
    out, sentence = verify("--org", "acme", "--checkpoint", outside, "--public-key", old_key)
    assert sentence == "" and "1 of the checkpoints are signed by another key" in out

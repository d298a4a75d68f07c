"""Every committed change gets the next number and the next hash of its organization, whatever its id says."""

import threading
import time
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction

from apps.audit.migrations import _append_only as append_only
from apps.audit.models import AuditEntry, Checkpoint, Cut, Seal, Unsealed
from apps.audit.seal import checkpoints, sealer
from apps.audit.seal.chain import canonical, genesis, link_hash
from apps.audit.seal.chain_rows import columns, to_link
from apps.base.identifiers import encode
from integrations_portal.demo.activity_times import explicit_timestamps
from tests.audit.chains import verify
from tests.audit.conftest import change, person
from tests.engines import in_threads

pytestmark = pytest.mark.django_db


def seals(organization: Any) -> list[Seal]:
    return list(Seal.objects.filter(organization=organization).order_by("seq"))


def test_the_sequence_is_dense_for_each_organization(organization, other):
    ada, zed = person(organization), person(other)
    for actor in (ada, zed, ada, ada, zed):
        change(actor)
    assert sealer.seal_due() == 5 and not Unsealed.objects.exists()
    change(ada)
    assert sealer.seal_due() == 1 and sealer.seal_due() == 0
    assert [seal.seq for seal in seals(organization)] == [1, 2, 3, 4]
    assert [seal.seq for seal in seals(other)] == [1, 2]
    newest = seals(organization)[-1]
    assert sealer.chain_end(organization.pk) == (4, newest.hash)
    assert newest.entry_id == AuditEntry.objects.filter(organization=organization).latest("pk").pk


def test_an_empty_chain_starts_at_number_zero(organization):
    assert sealer.chain_end(organization.pk) == (0, genesis(encode("org", organization.pk)))


def test_the_chain_follows_from_the_organization(organization):
    change(person(organization))
    change(person(organization))
    sealer.seal_due()
    first, second = seals(organization)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {columns(connection)} FROM audit_auditentry e ORDER BY e.id")
        entries = [to_link(row) for row in cursor.fetchall()]
    assert first.hash == link_hash(genesis(encode("org", organization.pk)), canonical(1, entries[0]))
    assert second.hash == link_hash(first.hash, canonical(2, entries[1]))


def test_times_are_whole_milliseconds(organization):
    entry = change(person(organization))
    moment = datetime(2026, 11, 24, 10, 0, 0, 123456, tzinfo=UTC)
    values = {field.attname: getattr(entry, field.attname) for field in AuditEntry._meta.concrete_fields}
    with explicit_timestamps(AuditEntry):
        AuditEntry.objects.bulk_create([AuditEntry(**values | {"id": uuid.uuid4(), "at": moment})])
    assert entry.at.microsecond % 1000 == 0
    assert AuditEntry.objects.filter(at=moment.replace(microsecond=123000)).count() == 1


def test_entries_that_commit_late_are_sealed_though_their_ids_are_lower(organization, other, monkeypatch):
    monkeypatch.setattr(sealer, "BATCH", 7)
    late, in_time = [change(person(organization)) for _ in range(10)], [change(person(other)) for _ in range(10)]
    Unsealed.objects.filter(entry__in=late[:5]).delete()
    assert sealer.seal_due() == 15
    # What commits late is in the queue with an id that is lower than all that is sealed.
    Unsealed.objects.bulk_create([Unsealed(entry=entry) for entry in late[:5]])
    assert sealer.seal_due() == 5
    assert [seal.entry_id for seal in seals(organization)] == [entry.pk for entry in late[5:] + late[:5]]
    assert [seal.entry_id for seal in seals(other)] == [entry.pk for entry in in_time]


def test_what_is_sealed_already_only_leaves_the_queue(organization):
    """As after a dump that was read in with its triggers on."""
    entries = [change(person(organization)) for _ in range(3)]
    sealer.seal_due()
    Unsealed.objects.bulk_create([Unsealed(entry=entry) for entry in entries])
    change(person(organization))
    assert sealer.seal_due() == 4
    assert [seal.seq for seal in seals(organization)] == [1, 2, 3, 4] and not Unsealed.objects.exists()


def test_a_sealer_that_was_too_slow_changes_nothing(organization, monkeypatch):
    change(person(organization))
    sealer.seal_due()
    change(person(organization))
    with monkeypatch.context() as patch:
        patch.setattr(sealer, "chain_end", lambda key: sealer.ChainEnd(0, genesis(encode("org", key))))
        assert sealer.seal_due() == 0
    assert Unsealed.objects.count() == 1 and len(seals(organization)) == 1
    assert sealer.seal_due() == 1


def test_nothing_to_seal_takes_one_query(organization, django_assert_num_queries):
    change(person(organization))
    sealer.seal_due()
    with django_assert_num_queries(1):
        sealer.seal_due()


@pytest.mark.django_db(transaction=True)
def test_no_transaction_that_commits_late_is_skipped(organization, other):
    """A thousand entries whose ids are older than what is sealed meanwhile, and two sealers at once."""
    writers, rounds, entries = 8, 25, 5
    done = threading.Event()

    def write(number: int) -> None:
        whose = [organization if (number + turn) % 2 else other for turn in range(rounds)]
        # Every id is made before the first commit.
        late = [[AuditEntry(**LATE, organization=each) for _ in range(entries)] for each in whose]
        for turn in range(rounds):
            while turn == rounds // 2 and Seal.objects.values("organization").distinct().count() < 2:
                time.sleep(0.005)
            with transaction.atomic():
                AuditEntry.objects.bulk_create(late[turn][:2])
                time.sleep(0.001 * (number % 3))
                AuditEntry.objects.bulk_create(late[turn][2:])

    def seal() -> None:
        while not done.is_set():
            sealer.seal_due()
            time.sleep(0.005)

    def work(number: int) -> None:
        if number < writers:
            write(number)
        else:
            seal()

    def watch() -> None:
        while AuditEntry.objects.count() < writers * rounds * entries:
            time.sleep(0.02)
        done.set()
        connection.close()

    watcher = threading.Thread(target=watch)
    watcher.start()
    in_threads(writers + 2, work)
    watcher.join(60)
    sealer.seal_due()
    for whose in (organization, other):
        found = seals(whose)
        assert [seal.seq for seal in found] == list(range(1, 501))
        order = [seal.entry_id for seal in found]
        assert len(set(order)) == 500 and order != sorted(order), "no id lied: this test proves nothing"
    assert not Unsealed.objects.exists()
    assert verify()[1] == ""


LATE = {
    "actor_kind": "system", "actor_id": "system", "actor_label": "Portal", "action": "api_key.created",
    "target_kind": "api_key", "target_id": "key_x",
}  # fmt: skip


def insert_over(table: str, model: type[Any], column: str, value: str) -> str:
    names = [field.column for field in model._meta.concrete_fields]
    copied = ", ".join(f"'{value}'" if name == column else name for name in names)
    into = f"INTO {table} ({', '.join(names)}) SELECT {copied} FROM {table}"
    if connection.vendor == "sqlite":
        return f"INSERT OR REPLACE {into}"
    return f"INSERT {into} WHERE true ON CONFLICT ({model._meta.pk.column}) DO UPDATE SET {column} = '{value}'"


@pytest.mark.parametrize(
    ("table", "model", "column"),
    [("audit_seal", Seal, "hash"), ("audit_checkpoint", Checkpoint, "signature"), ("audit_cut", Cut, "seq")],
)
def test_seals_checkpoints_and_cuts_stay_as_they_were_written(organization, table, model, column):
    change(person(organization))
    point = checkpoints.create(organization.pk)
    Cut.objects.create(checkpoint=point, organization=organization, seq=point.seq, at=point.at)
    change(person(organization))
    sealer.seal_due()
    statements = [f"UPDATE {table} SET {column} = '5'", insert_over(table, model, column, "5")]
    if connection.vendor == "postgresql":
        connection.check_constraints()
        statements.append(f"TRUNCATE {table} CASCADE")
    for statement in [*statements, f"DELETE FROM {table}"]:
        with (
            pytest.raises(DatabaseError, match=append_only.MESSAGE),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(statement)
    assert model.objects.count() == (2 if model is Seal else 1)
    assert verify()[1].startswith("acme: The first bad sequence number is 2: the log was cut after 1")


def test_a_cut_stands_at_a_checkpoint(organization, other):
    change(person(organization))
    change(person(other))
    point = checkpoints.create(organization.pk)
    for wrong in ({"seq": 2}, {"organization": other}):
        values = {"checkpoint": point, "organization": organization, "seq": 1, "at": point.at, **wrong}
        with pytest.raises(DatabaseError, match=append_only.MESSAGE), transaction.atomic():
            Cut.objects.create(**values)

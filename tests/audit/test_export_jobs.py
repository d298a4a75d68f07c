"""Exports as stored jobs: complete whoever is killed and whoever else works at it; removed when they are over."""

import json
import os
import signal
import subprocess
import sys
import time
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from apps.audit import actions
from apps.audit.calls.recording import record_call
from apps.audit.exports import jobs
from apps.audit.exports.jobs import advance, file_chunks, remove_old
from apps.audit.models import ApiCall, AuditEntry, AuditExport, ExportChunk, ExportStatus, Unsealed
from apps.audit.seal import sealer
from apps.audit.timeline import sources
from apps.audit.timeline.sources import Filters
from apps.base.errors import Conflict, Forbidden, NotFound
from apps.base.identifiers import new_uuid
from apps.base.permissions import Permission
from apps.base.rest.request_identity import AuthResult
from tests.audit.conftest import READS, call_arguments, change, key_actor, person

pytestmark = pytest.mark.django_db
EXPORTS = frozenset({*READS, str(Permission.AUDIT_EXPORT)})


def exporter(organization: Any, label: str = "Ada") -> Any:
    actor = person(organization, label)
    object.__setattr__(actor, "permissions", EXPORTS)
    return actor


def fill_calls(organization: Any, count: int) -> None:
    """Write calls past the log's own way: many, fast."""
    now, key = timezone.now(), key_actor(organization)
    ApiCall.objects.bulk_create(
        [
            ApiCall(
                id=new_uuid(), at=now, organization=organization, actor_kind=key.kind, actor_id=key.id,
                actor_label="Sync", credential_id=key.pk, method="GET", route="/v1/users", status=200, duration_ms=1.0,
            )
            for _ in range(count)
        ],
        batch_size=500,
    )  # fmt: skip


def text_of(job: AuditExport) -> str:
    job.refresh_from_db()
    return b"".join(file_chunks(job)).decode()


def rows_of(job: AuditExport) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text_of(job).splitlines()]


def finish(job: AuditExport, rounds: int = 100) -> None:
    for _ in range(rounds):
        advance()
        job.refresh_from_db()
        if job.status not in (ExportStatus.ESTIMATING, ExportStatus.RUNNING):
            return
    pytest.fail(f"still {job.status}")


def test_a_job_writes_the_whole_file(organization):
    ada = exporter(organization)
    change(ada, target_label="Sync")
    fill_calls(organization, 30)
    job = actions.start_export(actor=ada, filters=Filters(), file_format="jsonl")
    sealer.seal_due()
    finish(job)
    rows = rows_of(job)
    # What was committed before the job began is in it, and so is the entry of its own beginning.
    assert [row["action"] for row in rows] == ["api_key.created", "audit.exported"] + ["api.call"] * 30
    assert (job.status, job.count, job.written, job.size) == ("done", 32, 32, len(text_of(job).encode()))
    assert job.expires_at - job.finished_at == timedelta(days=7)


def test_it_waits_for_what_is_to_be_sealed(organization, monkeypatch):
    ada = exporter(organization)
    change(ada)
    job = actions.start_export(actor=ada, filters=Filters(category="change"), file_format="csv")
    advance()
    job.refresh_from_db()
    assert job.status == ExportStatus.ESTIMATING and Unsealed.objects.exists()
    # Where nobody seals it goes on after a while, with what is sealed.
    monkeypatch.setattr(jobs, "MAX_SEAL_WAIT", timedelta(0))
    finish(job)
    assert job.status == ExportStatus.DONE and job.written == 0 and text_of(job).count("\n") == 1


def test_it_is_recorded_with_what_it_chose(organization):
    ada = exporter(organization)
    job = actions.start_export(actor=ada, filters=Filters(action="api.call"), file_format="csv")
    entry = AuditEntry.objects.get(action="audit.exported")
    assert entry.target_id == job.public_id and entry.changes == {"format": [None, "csv"], "action": [None, "api.call"]}


def test_filters_and_organization_hold_in_the_job_too(organization, other):
    ada = exporter(organization)
    fill_calls(other, 3)
    fill_calls(organization, 2)
    record_call(**call_arguments(AuthResult(actor=key_actor(organization)), status=500))
    filters = Filters(category="api_call", target="/v1/users", since=timezone.now() - timedelta(hours=1))
    job = actions.start_export(actor=ada, filters=filters, file_format="jsonl")
    sealer.seal_due()
    finish(job)
    assert [row["category"] for row in rows_of(job)] == ["api_call"] * 3


@pytest.mark.parametrize("file_format", ["csv", "jsonl"])
def test_killed_between_any_two_pieces_it_goes_on_without_gap_or_repeat(organization, monkeypatch, file_format: str):
    monkeypatch.setattr(sources, "STEP", 10)
    monkeypatch.setattr(jobs, "PIECE_ROWS", 10)
    ada = exporter(organization)
    fill_calls(organization, 95)
    job = actions.start_export(actor=ada, filters=Filters(category="api_call"), file_format=file_format)
    sealer.seal_due()
    original, kills = ExportChunk.objects.create, []

    def killed(**values: Any) -> Any:
        if len(kills) % 2 == 0:
            kills.append(1)
            raise KeyboardInterrupt
        kills.append(0)
        return original(**values)

    monkeypatch.setattr(ExportChunk.objects, "create", killed)
    for _ in range(60):
        try:
            advance()
        except KeyboardInterrupt:
            # A killed process gives nothing back: its claim ends by itself.
            AuditExport.objects.update(claimed_until=timezone.now() - timedelta(seconds=1))
    job.refresh_from_db()
    assert job.status == ExportStatus.DONE and sum(kills) >= 5
    body = text_of(job).splitlines()
    ids = [line[:40] for line in body]
    assert len(ids) == len(set(ids)) == 95 + (file_format == "csv")


def test_two_workers_write_no_piece_twice(organization, monkeypatch):
    monkeypatch.setattr(sources, "STEP", 10)
    monkeypatch.setattr(jobs, "PIECE_ROWS", 10)
    ada = exporter(organization)
    fill_calls(organization, 50)
    job = actions.start_export(actor=ada, filters=Filters(category="api_call"), file_format="jsonl")
    original, inside = jobs._write, []

    def slow(row: Any, *values: Any) -> bool:
        if not inside:
            # The first one stalls with its piece in hand until its claim is over; the second does its part of the work.
            inside.append(True)
            AuditExport.objects.update(claimed_until=timezone.now() - timedelta(seconds=1))
            advance()
            assert original(row, *values) is False
            return False
        return original(row, *values)

    monkeypatch.setattr(jobs, "_write", slow)
    sealer.seal_due()
    finish(job)
    rows = rows_of(job)
    assert len(rows) == len({row["id"] for row in rows}) == 50


def test_a_claimed_job_is_left_alone(organization):
    job = actions.start_export(actor=exporter(organization), filters=Filters(), file_format="csv")
    AuditExport.objects.update(claimed_until=timezone.now() + timedelta(seconds=10))
    assert advance() == 0
    job.refresh_from_db()
    assert job.status == ExportStatus.ESTIMATING


def test_stopping_ends_it_and_removes_what_it_wrote(organization):
    ada = exporter(organization)
    fill_calls(organization, 5)
    job = actions.start_export(actor=ada, filters=Filters(), file_format="csv")
    sealer.seal_due()
    finish(job)
    other = actions.start_export(actor=ada, filters=Filters(), file_format="csv")
    actions.cancel_export(actor=ada, export_id=other.public_id)
    actions.cancel_export(actor=ada, export_id=other.public_id)
    advance()
    other.refresh_from_db()
    assert other.status == ExportStatus.CANCELLED and other.chunks == 0
    assert AuditEntry.objects.filter(action="audit.export_cancelled").count() == 1
    with pytest.raises(Conflict):
        actions.cancel_export(actor=ada, export_id=job.public_id)
    ExportChunk.objects.create(export=other, number=0, body=b"x")
    remove_old()
    assert set(ExportChunk.objects.values_list("export", flat=True)) == {job.pk}


def test_stopped_in_the_middle_of_a_piece(organization, monkeypatch):
    ada = exporter(organization)
    fill_calls(organization, 5)
    job = actions.start_export(actor=ada, filters=Filters(category="api_call"), file_format="jsonl")
    sealer.seal_due()
    original = jobs._read

    def stopped(*values: Any) -> Any:
        actions.cancel_export(actor=ada, export_id=job.public_id)
        return original(*values)

    monkeypatch.setattr(jobs, "_read", stopped)
    finish(job)
    assert job.status == ExportStatus.CANCELLED and not ExportChunk.objects.exists()


def test_three_at_a_time(organization, other):
    ada = exporter(organization)
    for _ in range(3):
        actions.start_export(actor=ada, filters=Filters(), file_format="csv")
    with pytest.raises(Conflict):
        actions.start_export(actor=ada, filters=Filters(), file_format="csv")
    actions.start_export(actor=exporter(other), filters=Filters(), file_format="csv")


def test_errors_in_a_row_end_it_and_it_says_so(organization, monkeypatch):
    ada = exporter(organization)
    change(ada)
    sealer.seal_due()
    job = actions.start_export(actor=ada, filters=Filters(), file_format="csv")
    sealer.seal_due()

    def broken(*_values: Any) -> Any:
        raise ValueError("a row that cannot be written")

    monkeypatch.setattr(jobs, "write_lines", broken)
    finish(job)
    assert (job.status, job.failures) == (ExportStatus.FAILED, jobs.MAX_FAILURES)


def test_its_file_goes_after_its_days_and_its_row_later(organization):
    ada = exporter(organization)
    job = actions.start_export(actor=ada, filters=Filters(), file_format="csv")
    sealer.seal_due()
    finish(job)
    remove_old()
    assert ExportChunk.objects.filter(export=job).exists()
    AuditExport.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    with pytest.raises(Conflict):
        actions.download_export(actor=ada, export_id=job.public_id)
    remove_old()
    job.refresh_from_db()
    assert job.status == ExportStatus.EXPIRED and not ExportChunk.objects.exists()
    AuditExport.objects.update(created_at=timezone.now() - timedelta(days=91))
    remove_old()
    assert not AuditExport.objects.exists()


def test_who_may(organization, other):
    ada, dev = exporter(organization), person(organization, "Dev")
    job = actions.start_export(actor=ada, filters=Filters(), file_format="csv")
    for call in (
        lambda actor: actions.start_export(actor=actor, filters=Filters(), file_format="csv"),
        lambda actor: actions.export_log(actor=actor, filters=Filters(), file_format="csv"),
        lambda actor: actions.cancel_export(actor=actor, export_id=job.public_id),
        lambda actor: actions.download_export(actor=actor, export_id=job.public_id),
    ):
        with pytest.raises(Forbidden):
            call(dev)
    for name in ("cancel_export", "download_export"):
        with pytest.raises(NotFound):
            getattr(actions, name)(actor=exporter(other), export_id=job.public_id)


def test_sixty_thousand_rows(organization):
    """The rows are copies of one, made by the database, for Python would take longer to make them than to export."""
    fill_calls(organization, 1000)
    new_id = "gen_random_uuid()" if connection.vendor == "postgresql" else "lower(hex(randomblob(16)))"
    columns = ", ".join(field.column for field in ApiCall._meta.concrete_fields if field.column != "id")
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO audit_apicall (id, {columns}) SELECT {new_id}, {columns} FROM audit_apicall, "  # noqa: S608
            "(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 59) SELECT i FROM n) AS copies"
        )
    job = actions.start_export(actor=exporter(organization), filters=Filters(category="api_call"), file_format="jsonl")
    sealer.seal_due()
    finish(job)
    assert (job.status, job.count, job.written) == (ExportStatus.DONE, 60_000, 60_000)
    assert job.chunks > 10 and sum(piece.count(b"\n") for piece in file_chunks(job)) == 60_000
    stored = sum(len(body) for body in ExportChunk.objects.values_list("body", flat=True))
    assert stored < job.size / 5


ROUNDS = """
import django; django.setup()
from apps.audit.exports import jobs
from apps.audit.timeline import sources
sources.STEP = jobs.PIECE_ROWS = 20
while True: jobs.advance()
"""


@pytest.mark.faults
@pytest.mark.django_db(transaction=True)
def test_a_worker_that_is_killed_is_followed_by_another(organization, monkeypatch):
    """Promise 25: kill -9 of a real process, again and again; the next one goes on where it stopped."""
    fill_calls(organization, 3000)
    job = actions.start_export(actor=exporter(organization), filters=Filters(category="api_call"), file_format="jsonl")
    sealer.seal_due()
    environment = {**os.environ, "DATABASE_URL": _database_url()}
    kills = 0
    for _ in range(4):
        before = job.written
        worker = subprocess.Popen([sys.executable, "-c", ROUNDS], env=environment)  # noqa: S603
        end = time.monotonic() + 15
        while time.monotonic() < end and job.written <= before and job.status != ExportStatus.DONE:
            time.sleep(0.02)
            job.refresh_from_db()
        worker.send_signal(signal.SIGKILL)
        worker.wait()
        kills += 1
        AuditExport.objects.filter(pk=job.pk).update(claimed_until=None)
        job.refresh_from_db()
        if job.status == ExportStatus.DONE:
            break
    finish(job)
    rows = rows_of(job)
    assert kills > 1 and len(rows) == len({row["id"] for row in rows}) == 3000


def _database_url() -> str:
    values = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{values['NAME']}"
    return f"postgres://{values['USER']}@{values['HOST']}:{values['PORT']}/{values['NAME']}"

"""A backup is one whole file, made while others write; restored at a new place it goes on where it was."""

import io
import json
import os
import re
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from types import SimpleNamespace

import pytest
from django.core.management import CommandError, call_command, get_commands
from django.db import connection, connections

from apps.base.errors import PortalError
from apps.webhooks.models import Delivery, EndpointSecret
from integrations_portal.database import backups
from integrations_portal.database import pg_dump as dumps
from integrations_portal.environment import urls
from tests.engines import LOOPBACK, engine, make_endpoint, publish
from tests.faults.processes import ROOT, database_url, wait_until, worker
from tests.receivers import Receiver

pytestmark = pytest.mark.django_db


def back_up(path):
    out = io.StringIO()
    call_command("backup", str(path), "--json", stdout=out)
    return json.loads(out.getvalue())


def restored(path, folder):
    """Restore into a new place and return its address."""
    if connection.vendor == "sqlite":
        shutil.copy(path, folder / "restored.sqlite3")
        return f"sqlite:///{folder}/restored.sqlite3"
    name = f"{connection.settings_dict['NAME']}_restored"
    with connection.cursor() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS {name}")
        cursor.execute(f"CREATE DATABASE {name}")
    command = ["pg_restore", "--no-owner", "--no-privileges", "--exit-on-error", f"--dbname={name}", str(path)]
    subprocess.run(command, env=dumps.libpq_environment(connection), check=True)
    return database_url().rpartition("/")[0] + f"/{name}"


@pytest.fixture
def _dropped():
    yield
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"DROP DATABASE IF EXISTS {connection.settings_dict['NAME']}_restored WITH (FORCE)")


@pytest.mark.faults
@pytest.mark.django_db(transaction=True)
def test_what_was_restored_delivers_the_backlog_and_nothing_twice(acme, tmp_path, settings, _dropped):
    """Promise 40: what was delivered before the backup stays so; what waited is sent once, under its own id."""
    settings.WEBHOOK_ALLOW_CIDRS = LOOPBACK
    with Receiver() as receiver:
        make_endpoint(acme, receiver.url, "*", headers={"X-Team": "canary-55aa"})
        publish(acme)
        engine().run_until_idle()
        before = [each.headers["webhook-id"] for each in receiver.requests]
        waiting = [publish(acme) for _ in range(3)]
        figures = back_up(tmp_path / "portal.backup")
        assert figures["bytes"] > 10_000 and figures["database"] == connection.vendor
        raw, secret = (tmp_path / "portal.backup").read_bytes(), EndpointSecret.objects.get().secret
        assert b"canary-55aa" not in raw and secret.encode() not in raw
        # The old place is gone; what it had delivered since would come once more, with the same webhook-id.
        Delivery.objects.all().delete()
        url = restored(tmp_path / "portal.backup", tmp_path)
        with worker("--once", DATABASE_URL=url) as process:
            process.wait(60)
        with worker("--once", DATABASE_URL=url) as process:
            process.wait(60)
        ids = [each.headers["webhook-id"] for each in receiver.requests]
        assert len(before) == 1 and len(ids) == 4 and len(set(ids)) == 4 and len(waiting) == 3
    if "verify_audit" in get_commands():
        words = [sys.executable, "manage.py", "verify_audit"]
        subprocess.run(words, env={**os.environ, "DATABASE_URL": url}, cwd=ROOT, check=True)


def test_it_is_private_complete_and_says_what_is_not_in_it(acme, tmp_path):
    before = os.umask(0)
    try:
        figures = back_up(tmp_path / "b")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "b").stat().st_mode) == 0o600
    assert {"ENCRYPTION_KEYS", "KEY_PEPPERS", "SECRET_KEY", "AUDIT_SIGNING_KEY"} == set(figures["not_in_it"])
    assert [path.name for path in tmp_path.iterdir()] == ["b"]


def test_nothing_is_overwritten(tmp_path):
    for name, make in (
        ("file", lambda path: path.write_text("mine")),
        ("link", lambda path: path.symlink_to("/nowhere")),
    ):
        make(tmp_path / name)
        with pytest.raises(CommandError, match="not overwritten"):
            back_up(tmp_path / name)
    assert (tmp_path / "file").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "link"]


def test_two_at_once_with_one_name_leave_one_whole(tmp_path, monkeypatch):
    original = backups._fsync

    def somebody_was_faster(path):
        original(path)
        if not (tmp_path / "b").exists():
            (tmp_path / "b").write_text("theirs")

    monkeypatch.setattr(backups, "_fsync", somebody_was_faster)
    with pytest.raises(CommandError, match="not overwritten"):
        back_up(tmp_path / "b")
    assert (tmp_path / "b").read_text() == "theirs" and len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("name", ["no/such/folder/b", "/proc/b", "x" * 300 + "/b"])
def test_a_place_that_cannot_be_written_is_said_in_a_sentence(tmp_path, name):
    with pytest.raises(CommandError, match="b cannot be written"):
        back_up(tmp_path / name)


def test_without_pg_dump_a_sentence_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(dumps.shutil, "which", lambda _program: None)
    with pytest.raises(PortalError, match="install the PostgreSQL client"):
        dumps.dump_postgresql(tmp_path / "b")


@pytest.fixture
def pg_dump(tmp_path, monkeypatch):
    """Put a program of that name in front of the real one, which does what a text of the shell says."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setattr(dumps, "_backup_connection", lambda: connection)

    def does(text):
        (tmp_path / "bin/pg_dump").write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / "bin/pg_dump").chmod(0o700)

    return does


@pytest.mark.parametrize(
    ("does", "told"),
    [
        ("echo 'pg_dump: error: aborting because of server version mismatch\npg_dump: detail: server version: 16.4 "
         "(Debian 16.4-1); pg_dump version: 15.20 (Debian 15.20)' >&2; exit 1",
         "pg_dump 15 is older than the server, 16: install the PostgreSQL client of version 16 or newer"),
        ("echo 'pg_dump: error: could not write to output file: No space left on device' >&2; exit 1",
         "pg_dump ended without a backup: could not write to output file: No space left on device."),
        ("echo 'pg_dump: warning: x\npg_dump: error: query failed: ERROR:  permission denied\npg_dump: detail: y' >&2;"
         " exit 1", "without a backup: query failed: ERROR:  permission denied."),
        ("kill -9 $$", "pg_dump was ended by the signal SIGKILL, without a backup."),
        ("exit 3", "pg_dump ended without a backup: no reason given."),
    ],
)  # fmt: skip
def test_a_pg_dump_that_fails_is_one_sentence_and_leaves_nothing(tmp_path, monkeypatch, pg_dump, caplog, does, told):
    pg_dump(does)
    monkeypatch.setattr(backups, "connection", SimpleNamespace(vendor="postgresql"))
    with pytest.raises(CommandError, match=re.escape(told)):
        back_up(tmp_path / "b")
    assert [path.name for path in tmp_path.iterdir()] == ["bin"]
    assert [record.levelname for record in caplog.records] == ["ERROR"] and told in caplog.text


def test_the_password_stands_on_no_command_line_and_no_secret_is_passed_on(tmp_path, monkeypatch, pg_dump):
    address = (
        "postgres://portal:canary@db:5433/portal?sslmode=require&sslcrl=/crl&channel_binding=require&hostaddr=127.0.0.1"
    )
    database = SimpleNamespace(settings_dict=urls.database("DATABASE_URL", address))
    monkeypatch.setattr(dumps, "_backup_connection", lambda: database)
    monkeypatch.setenv("PGPASSFILE", "/passwords")
    pg_dump(f'echo "$@" > {tmp_path}/words; env > {tmp_path}/environment')
    dumps.dump_postgresql(tmp_path / "b")
    assert "canary" not in (tmp_path / "words").read_text()
    given = dict(line.split("=", 1) for line in (tmp_path / "environment").read_text().splitlines())
    wanted = {
        "PGHOST": "db", "PGPORT": "5433", "PGUSER": "portal", "PGPASSWORD": "canary", "PGDATABASE": "portal",
        "PGSSLMODE": "require", "PGSSLCRL": "/crl", "PGCHANNELBINDING": "require", "PGHOSTADDR": "127.0.0.1",
        "PGPASSFILE": "/passwords",
    }  # fmt: skip
    assert {name: given.get(name) for name in wanted} == wanted
    assert not {"SECRET_KEY", "ENCRYPTION_KEYS", "KEY_PEPPERS", "AUDIT_SIGNING_KEY", "DATABASE_URL"} & set(given)


def test_in_a_folder_it_gets_a_name_and_the_oldest_go(tmp_path, monkeypatch):
    theirs = ["portal-20200101T000000Z.txt", "portal-2020.dump", "notes", "mine.backup", ".notes.1.partial"]
    earlier = ["2020-06-01T000000Z.backup"]
    older = [f"portal-2020010{day}T000000Z.{end}" for day, end in ((1, "dump"), (2, "sqlite3"), (3, "dump"))]
    left = [f".{older[0]}.77.partial", f".{older[1]}.78.partial-journal", f".{older[2]}.79.partial"]
    for name in theirs + earlier + older + left:
        (tmp_path / name).write_text(name)
    for name in left[:2]:
        os.utime(tmp_path / name, (0, 0))
    out = io.StringIO()
    call_command("backup", str(tmp_path), "--keep", "2", "--json", stdout=out)
    figures = json.loads(out.getvalue())
    newest = os.path.basename(figures["file"])
    assert re.fullmatch(r"portal-20\d{6}T\d{6}Z\.(sqlite3|dump)", newest)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*theirs, older[2], left[2], newest])
    assert figures["removed"] == [str(tmp_path / name) for name in earlier + older[:2]]


@pytest.mark.parametrize("words", [("b", "--keep", "2"), (".", "--keep", "0"), (".", "--keep", "-1")])
def test_what_is_kept_is_a_number_of_a_folder(tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CommandError, match="--keep takes a number from 1 on"):
        call_command("backup", *words)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_there_becomes_no_file(tmp_path):
    with pytest.raises(CommandError, match="backups is no folder: make it first"):
        call_command("backup", f"{tmp_path}/backups/")
    assert not list(tmp_path.iterdir())


def test_when_it_fails_nothing_older_goes(tmp_path, monkeypatch):
    (tmp_path / "portal-20200101T000000Z.dump").write_text("whole")
    (tmp_path / "portal-20200102T000000Z.dump").write_text("whole")
    monkeypatch.setattr(backups, "_fsync", lambda _path: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(CommandError, match="was not written: No space left on device"):
        call_command("backup", str(tmp_path), "--keep", "1")
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_ended_from_outside_it_leaves_nothing(tmp_path, number):
    """As systemd ends a unit, and a terminal its programs, all at once: a pg_dump that sleeps stands for a long one."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/pg_dump").write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid\nexec sleep 60\n")
    (tmp_path / "bin/pg_dump").chmod(0o700)
    program = (
        "from pathlib import Path; from types import SimpleNamespace; import django; django.setup();"
        "from integrations_portal.database import backups, pg_dump; from django.db import connection;"
        "pg_dump._backup_connection = lambda: connection; backups.connection = SimpleNamespace(vendor='postgresql');"
        f"backups.back_up(Path('{tmp_path}/b'))"
    )
    environment = {**os.environ, "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}
    process = subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, env=environment, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        wait_until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text(), 60)
        assert list(tmp_path.glob(".b.*.partial"))
        os.killpg(process.pid, number)
        assert process.wait(60) != 0
    finally:
        process.kill()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bin", "pid"]
    # It may take the system a moment to clear away what has ended.
    wait_until(lambda: _has_ended(int((tmp_path / "pid").read_text())))


def _has_ended(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.mark.django_db(transaction=True)
def test_on_sqlite_it_is_the_state_of_one_moment_while_others_write(acme, tmp_path):
    if connection.vendor != "sqlite":
        pytest.skip("SQLite's own way")
    make_endpoint(acme, "https://hooks.example.com/in", "*")
    stop = threading.Event()

    def write():
        while not stop.is_set():
            publish(acme)
        connections.close_all()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(5):
            back_up(tmp_path / str(number))
    finally:
        stop.set()
        writer.join()
    for number in range(5):
        copy = sqlite3.connect(tmp_path / str(number))
        events, deliveries, matched = copy.execute(
            "SELECT (SELECT count(*) FROM webhooks_event), (SELECT count(*) FROM webhooks_delivery),"
            " (SELECT coalesce(sum(match_count), 0) FROM webhooks_event)"
        ).fetchone()
        assert events == deliveries == matched
        assert copy.execute("PRAGMA journal_mode").fetchone() == ("delete",)
        copy.close()


def test_a_damaged_copy_is_not_kept(tmp_path, monkeypatch):
    if connection.vendor != "sqlite":
        pytest.skip("SQLite's own way")
    broken = tmp_path / "broken.sqlite3"
    source = sqlite3.connect(broken)
    source.executescript("CREATE TABLE t (a TEXT); CREATE INDEX i ON t (a);")
    source.executemany("INSERT INTO t VALUES (?)", [(f"{number:05}" * 40,) for number in range(500)])
    source.commit()
    source.close()
    raw = bytearray(broken.read_bytes())
    raw[4096 * 3 + 100 : 4096 * 3 + 3000] = b"x" * 2900
    broken.write_bytes(raw)
    monkeypatch.setattr(backups, "connection", SimpleNamespace(vendor="sqlite", settings_dict={"NAME": str(broken)}))
    with pytest.raises(CommandError, match="damaged|could not be copied"):
        back_up(tmp_path / "b")
    assert not (tmp_path / "b").exists()

"""A backup is one whole file, made while others write; restored at a new place it goes on where it was."""

import io
import json
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import threading
from types import SimpleNamespace

import pytest
from django.core.management import CommandError, call_command, get_commands
from django.db import connection, connections

from apps.webhooks.models import Delivery, EndpointSecret
from integrations_portal import backups
from tests.engines import LOOPBACK, engine, make_endpoint, publish
from tests.faults.processes import database_url, worker
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
    command = ["pg_restore", "--no-owner", "--exit-on-error", f"--dbname={name}", str(path)]
    subprocess.run(command, env=backups._environment(), check=True)
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
        engine().drain()
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
        subprocess.run(
            words, env={**os.environ, "DATABASE_URL": url}, cwd=backups.Path(__file__).parents[1], check=True
        )


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
    original = backups._to_disk

    def somebody_was_faster(path):
        original(path)
        if not (tmp_path / "b").exists():
            (tmp_path / "b").write_text("theirs")

    monkeypatch.setattr(backups, "_to_disk", somebody_was_faster)
    with pytest.raises(CommandError, match="not overwritten"):
        back_up(tmp_path / "b")
    assert (tmp_path / "b").read_text() == "theirs" and len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("name", ["no/such/folder/b", "."])
def test_a_place_that_cannot_be_written_is_said_in_a_sentence(tmp_path, name):
    with pytest.raises(CommandError, match="b cannot be written|not overwritten"):
        back_up(tmp_path / name)


def test_without_pg_dump_a_sentence_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(backups.shutil, "which", lambda _program: None)
    with pytest.raises(backups.PortalError, match="install the PostgreSQL client"):
        backups._dump_postgresql(tmp_path / "b")


def test_the_password_stands_on_no_command_line(tmp_path, monkeypatch):
    seen = []

    def run(command, **options):
        seen.append((command, options["env"]))
        return subprocess.CompletedProcess(command, 1, "", "pg_dump: error: connection failed\n")

    values = {"HOST": "db", "PORT": 5433, "USER": "portal", "PASSWORD": "canary", "NAME": "portal",
              "OPTIONS": {"sslmode": "require", "pool": True}}  # fmt: skip
    monkeypatch.setattr(backups, "connection", SimpleNamespace(settings_dict=values))
    monkeypatch.setattr(backups.subprocess, "run", run)
    monkeypatch.setattr(backups.shutil, "which", lambda program: f"/usr/bin/{program}")
    with pytest.raises(backups.PortalError, match="pg_dump ended without a backup: connection failed"):
        backups._dump_postgresql(tmp_path / "b")
    command, environment = seen[0]
    assert "canary" not in " ".join(command)
    assert (environment["PGPASSWORD"], environment["PGSSLMODE"], environment["PGPORT"]) == ("canary", "require", "5433")
    assert "SECRET_KEY" not in environment and "ENCRYPTION_KEYS" not in environment


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

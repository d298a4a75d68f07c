"""Behind a PgBouncer that shares connections by the transaction: what is found out, what is refused, and what works."""

import itertools
import os
import re
import subprocess
import sys
import threading

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.core.management.base import SystemCheckError
from django.db import DEFAULT_DB_ALIAS, connection
from django.db.utils import ConnectionHandler
from django.test import Client

from apps.webhooks.models import Event
from integrations_portal.database import poolers
from integrations_portal.environment import urls
from tests.faults.processes import ROOT, database_url, web
from tests.poolers import pgbouncer

pytestmark = pytest.mark.django_db(transaction=True)

ON_POSTGRESQL = pytest.mark.skipif("connection.vendor != 'postgresql'", reason="PostgreSQL's own")
OWN = os.environ["DATABASE_URL"]


def at(url):
    """Django's connection to an address."""
    return ConnectionHandler({DEFAULT_DB_ALIAS: urls.database("DATABASE_URL", url)})[DEFAULT_DB_ALIAS]


def manage(*words, **variables):
    """Run a command of manage.py in a process of its own."""
    environment = {**os.environ, "DATABASE_URL": database_url(), **variables}
    return subprocess.run([sys.executable, "manage.py", *words], env=environment, cwd=ROOT, capture_output=True,
                          text=True, timeout=60)  # fmt: skip


@pytest.mark.parametrize(
    ("mode", "size", "shares"),
    [("transaction", 1, True), ("transaction", 5, True), ("statement", 5, True), ("session", 5, False)],
)
def test_a_pooler_shows_how_it_shares(tmp_path, mode, size, shares):
    with pgbouncer(tmp_path, mode, size) as url:
        assert poolers.shares_connections(at(url)) is shares
        # What was asked left no mark.
        assert poolers.shares_connections(at(url)) is shares


@ON_POSTGRESQL
def test_without_a_pooler_nothing_is_shared_and_what_is_prepared_stays():
    assert not poolers.shares_connections(connection)
    assert not poolers.loses_prepared_statements(connection)


def test_a_busy_pooler_shows_it_too(tmp_path):
    stop, failures = threading.Event(), []

    def work(url):
        with psycopg.connect(url, autocommit=True, prepare_threshold=None) as session:
            while not stop.is_set():
                session.execute("SELECT pg_sleep(0.001)")

    with pgbouncer(tmp_path, size=4) as url:
        threads = [threading.Thread(target=work, args=(url,)) for _ in range(6)]
        for thread in threads:
            thread.start()
        try:
            failures = [number for number in range(20) if not poolers.shares_connections(at(url))]
        finally:
            stop.set()
            for thread in threads:
                thread.join()
    assert failures == []


def test_a_wrong_database_prepare_is_named_at_the_start(tmp_path, monkeypatch):
    with pgbouncer(tmp_path) as url:
        told = manage("worker", "--once", DATABASE_URL=url)
        assert poolers.PREPARE_ERROR in told.stderr
        with web(DATABASE_URL=url) as server:
            status, _seconds, body = server.call("GET", "/readyz", "")
        assert status == 503 and b"DATABASE_PREPARE must be false" in body
        monkeypatch.setattr(poolers, "connection", at(url))
        monkeypatch.setattr(poolers, "_is_compatible", False)
        with pytest.raises(SystemCheckError, match="DATABASE_PREPARE must be false"):
            call_command("check", databases=["default"])


def test_a_pooler_that_keeps_what_is_prepared_goes_with_it(acme_key, tmp_path):
    with pgbouncer(tmp_path, prepares=True) as url:
        assert not poolers.loses_prepared_statements(at(url))
        with web(DATABASE_URL=url) as server:
            in_turn = [server.publish(acme_key.text, f"order-{number}")[0] for number in range(20)]
    assert set(in_turn) == {202}


def test_nothing_of_readiness_stays_in_a_connection_that_others_use(tmp_path):
    with pgbouncer(tmp_path, size=1) as url, web(DATABASE_URL=url, DATABASE_PREPARE="false") as server:
        assert server.call("GET", "/readyz", "")[0] == 200
        with psycopg.connect(url, autocommit=True, prepare_threshold=None) as session:
            found = session.execute(
                "SELECT (SELECT count(*) FROM pg_class WHERE relpersistence = 't'), current_setting('search_path'),"
                " (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()),"
                " (SELECT count(*) FROM pg_prepared_statements)"
            ).fetchone()
    assert found == (0, '"$user", public', 0, 0)


@ON_POSTGRESQL
def test_a_database_that_takes_no_changes_is_not_ready():
    with connection.cursor() as cursor:
        cursor.execute("SET default_transaction_read_only = on")
        try:
            answer = Client().get("/readyz")
        finally:
            cursor.execute("RESET default_transaction_read_only")
    assert (answer.status_code, answer.json()["database"]) == (503, "read-only")


def test_a_backup_through_a_pooler_is_refused_and_names_what_to_set(tmp_path, monkeypatch, settings):
    (tmp_path / "backups").mkdir()
    with pgbouncer(tmp_path) as url:
        told = manage("backup", str(tmp_path / "backups"), DATABASE_URL=url, DATABASE_PREPARE="false")
        assert told.returncode == 1 and "Set BACKUP_DATABASE_URL to the address of PostgreSQL itself" in told.stderr
        settings.BACKUP_DATABASE = urls.database("BACKUP_DATABASE_URL", url)
        with pytest.raises(CommandError, match="BACKUP_DATABASE_URL goes through a pooler"):
            call_command("backup", str(tmp_path / "backups"))
        with psycopg.connect(url, autocommit=True, prepare_threshold=None) as session:
            assert session.execute("SHOW search_path").fetchone() == ('"$user", public',)
    assert not list((tmp_path / "backups").iterdir())


@ON_POSTGRESQL
@pytest.mark.parametrize(
    ("url", "reason"),
    [
        (re.sub(r"/[^/]+$", "/postgres", OWN), "BACKUP_DATABASE_URL is another database than DATABASE_URL"),
        ("postgres://nobody:hunter2@127.0.0.1:9/none", "BACKUP_DATABASE_URL leads to no database that answers: conn"),
    ],
    ids=["another", "away"],  # a URL differs between xdist's workers, which then refuse to run
)
def test_the_place_of_the_backup_must_be_the_portals_database(tmp_path, settings, url, reason):
    settings.BACKUP_DATABASE = urls.database("BACKUP_DATABASE_URL", url)
    with pytest.raises(CommandError, match=reason) as refused:
        call_command("backup", str(tmp_path))
    assert "hunter2" not in str(refused.value) and not list(tmp_path.iterdir())


def test_no_request_fails_while_backups_are_made_behind_a_pooler(acme_key, tmp_path):
    """A short form of what was measured: 5 requests a second for some minutes."""
    stop, statuses = threading.Event(), []

    def ask(server, name):
        for number in itertools.takewhile(lambda _number: not stop.wait(0.1), itertools.count()):
            statuses.append(server.publish(acme_key.text, f"order-{name}-{number}")[0])
            statuses.append(server.call("GET", "/v1/me", acme_key.text)[0])

    with pgbouncer(tmp_path) as url:
        variables = {"DATABASE_URL": url, "DATABASE_PREPARE": "false", "BACKUP_DATABASE_URL": database_url()}
        with web(**variables, RATE_LIMIT_DEFAULTS="100000/minute") as server:
            threads = [threading.Thread(target=ask, args=(server, name)) for name in range(3)]
            for thread in threads:
                thread.start()
            try:
                done = [manage("backup", str(tmp_path / f"{number}.dump"), **variables) for number in range(2)]
            finally:
                stop.set()
                for thread in threads:
                    thread.join()
    assert [each.returncode for each in done] == [0, 0], done
    assert set(statuses) == {200, 202} and len(statuses) > 20
    assert Event.objects.filter(type="order.created").count() == statuses.count(202)

"""``migrate`` while people use the portal: one at a time, short waits for its locks, a sentence where it gets none."""

import io
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, connections
from django.db.migrations.recorder import MigrationRecorder

from integrations_portal.database import migration_locks
from tests.faults.processes import ROOT, _environment
from tests.poolers import pgbouncer
from tests.servers import start, wait_until

pytestmark = pytest.mark.django_db(transaction=True)

# Adds an index, then makes two columns longer.
APP, BEFORE = "sdk_keys", "0001"
LAST = "0003_longer_texts_of_devices"
only_postgresql = pytest.mark.skipif("connection.vendor != 'postgresql'", reason="of PostgreSQL")


def migrate(*words, **options):
    out = io.StringIO()
    call_command("migrate", *words, stdout=out, **options)
    return out.getvalue()


class Run:
    """A ``migrate`` in a process of its own, and what it has said so far."""

    def __init__(self, folder, name, **variables):
        words = [sys.executable, "-u", "manage.py", "migrate"]
        self.child = start(words, folder, name, _environment(variables))

    def until_it_says(self, text):
        wait_until(lambda: text in self.said(), text, self.child, 60)

    def said(self):
        return self.child.log.read_text()

    def ended(self):
        return self.child.process.wait(60)


@pytest.fixture
def run(tmp_path):
    """Starts ``migrate``, and ends what is left of it."""
    runs = []

    def begin(**variables):
        runs.append(Run(tmp_path, f"migrate-{len(runs)}", **variables))
        return runs[-1]

    yield begin
    for each in runs:
        each.child.kill()


def is_applied():
    return (APP, LAST) in MigrationRecorder(connection).applied_migrations()


@pytest.fixture
def older():
    """The tests' database as it was before two migrations; whatever happens, it has them again afterwards."""
    migrate(APP, BEFORE)
    yield
    migrate()


@contextmanager
def held(statement, name="nightly-report"):
    """Another session that has done something and stays in its transaction."""
    other = connection.copy()
    other.settings_dict["OPTIONS"] = {**other.settings_dict["OPTIONS"], "application_name": name}
    other.set_autocommit(False)
    try:
        with other.cursor() as cursor:
            cursor.execute(statement)
        yield other.connection.info.backend_pid
    finally:
        other.rollback()
        other.close()


def test_two_at_once_both_end_well(older, run):
    with migration_locks.migration_lock(connection, print):
        both = run(), run()
        for each in both:
            each.until_it_says(migration_locks.WAITING_MESSAGE)
        assert not is_applied()
    assert [each.ended() for each in both] == [0, 0], [each.said() for each in both]
    assert is_applied()
    assert sorted("No migrations to apply" in each.said() for each in both) == [False, True]
    assert sorted(each.said().count("Applying sdk_keys.0002_keys_by_their_creator... OK") for each in both) == [0, 1]


@only_postgresql
def test_who_holds_a_lock_is_named_and_nobody_waits_behind(older):
    longest, stop = [0.0], threading.Event()

    def use():
        try:
            while not stop.wait(0.02):
                started = time.monotonic()
                with connections["default"].cursor() as cursor:
                    cursor.execute("SELECT count(*) FROM sdk_keys_activation")
                longest[0] = max(longest[0], time.monotonic() - started)
        finally:
            connections["default"].close()

    with held("SELECT count(*) FROM sdk_keys_activation") as pid:
        others = threading.Thread(target=use)
        others.start()
        try:
            with pytest.raises(CommandError) as refusal:
                migrate(patience=7)
        finally:
            stop.set()
            others.join()
    sentence = str(refusal.value)
    assert f"process {pid} (nightly-report, idle in transaction) in a transaction since 20" in sentence, sentence
    assert "a lock on sdk_keys_activation in 7 seconds" in sentence
    # The application waits behind a try, which lasts half a second (more where the machine is busy), not behind all.
    assert 0.3 < longest[0] < 3
    assert not is_applied()
    assert "Applying sdk_keys.0003_longer_texts_of_devices... OK" in migrate()
    with connection.cursor() as cursor:
        cursor.execute("SHOW lock_timeout")
        assert cursor.fetchone() == ("0",)


@only_postgresql
def test_a_lock_that_comes_free_in_time_is_waited_for(older, run):
    with held("SELECT count(*) FROM sdk_keys_activation"):
        running = run()
        running.until_it_says("did not get the lock on sdk_keys_activation at once, and tries again")
    assert running.ended() == 0 and is_applied()


@only_postgresql
def test_a_pooler_is_refused(older, run, tmp_path):
    with pgbouncer(tmp_path) as url:
        running = run(DATABASE_URL=url, DATABASE_PREPARE="false")
        assert running.ended() == 1 and migration_locks.POOLER_REFUSED in running.said(), running.said()
    assert not is_applied()


def test_a_worker_on_a_database_that_is_not_migrated_ends_with_a_sentence(tmp_path):
    words = [sys.executable, "manage.py", "worker"]
    environment = _environment({"DATABASE_URL": f"sqlite:///{tmp_path}/empty.sqlite3"})
    ended = subprocess.run(words, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1 and len(ended.stderr.splitlines()) == 1, ended.stderr
    assert "Run `manage.py migrate`, then start the worker." in ended.stderr

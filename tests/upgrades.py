"""A PostgreSQL of a test's own with a million rows, and a watch on who waits for a lock there, and for how long."""

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.servers import HOST, free_port, start, wait_until

# Of Debian's packages, which leave the server's programs out of PATH.
PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
# The name under which what migrates is known to the server.
MIGRATING = "migrate"
FITTING = {
    "uuid": "gen_random_uuid()", "timestamp with time zone": "now()", "character varying": "''", "text": "''",
    "jsonb": "'{}'", "boolean": "false",
}  # fmt: skip
# Of version 7, a millisecond after the other into the past.
KEY_IN_TIME_ORDER = """(lpad(to_hex((extract(epoch FROM now()) * 1000)::bigint - n), 12, '0') || '7'
|| substr(md5(n::text), 1, 3) || '8' || substr(md5(n::text), 4, 15))::uuid"""
WAITS = """
SELECT extract(epoch FROM clock_timestamp() - l.waitstart), a.query,
       (SELECT string_agg(b.query, '; ') FROM pg_stat_activity b WHERE b.pid = ANY(pg_blocking_pids(a.pid)))
FROM pg_locks l JOIN pg_stat_activity a USING (pid)
WHERE l.waitstart IS NOT NULL AND a.application_name <> %s AND a.backend_type = 'client backend'
ORDER BY l.waitstart LIMIT 1
"""


@contextlib.contextmanager
def postgresql() -> Iterator[str]:
    """Give the address of an empty database; skip where the machine has no PostgreSQL."""
    program = shutil.which("initdb", path=os.pathsep.join([*map(str, reversed(PROGRAMS)), os.environ["PATH"]]))
    if program is None:
        pytest.skip("needs PostgreSQL")
    # Not below the tests' own folder: the server does not run as root.
    folder, port = Path(tempfile.mkdtemp(prefix="portal-upgrade-")), free_port()
    as_user = []
    if os.geteuid() == 0:
        user = pwd.getpwnam("nobody")
        os.chown(folder, user.pw_uid, user.pw_gid)
        as_user = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
    try:
        make = [*as_user, program, "-D", f"{folder}/data", "-U", "portal", "-A", "trust", "-E", "UTF8", "--locale=C"]
        subprocess.run(make, check=True, capture_output=True, cwd="/")
        words = [str(Path(program).with_name("postgres")), "-D", f"{folder}/data", "-p", str(port), "-k", str(folder)]
        settings = [
            "-c",
            f"listen_addresses={HOST}",
            "-c",
            "fsync=off",
            "-c",
            "max_wal_size=8GB",
            "-c",
            "shared_buffers=256MB",
        ]
        child = start([*as_user, *words, *settings], folder, "postgresql")
        try:
            url = f"postgres://portal@{HOST}:{port}"
            wait_until(lambda: _answers(f"{url}/postgres"), "PostgreSQL did not start", child)
            with psycopg.connect(f"{url}/postgres", autocommit=True) as session:
                session.execute("CREATE DATABASE portal")
            yield f"{url}/portal"
        finally:
            child.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.process.wait(5)
            child.kill()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _answers(url: str) -> bool:
    with contextlib.suppress(psycopg.OperationalError), psycopg.connect(url, connect_timeout=1):
        return True
    return False


def multiply(url: str, table: str, rows: int, **values: str) -> None:
    """Fill a table with copies of its first row under keys of their own, past its triggers; values are SQL."""
    changed = {"id": KEY_IN_TIME_ORDER, **values}
    with psycopg.connect(url, autocommit=True) as session:
        names = columns(session, table)
        picked = ", ".join(changed.get(name, f"r.{name}") for name in names)
        session.execute("SET session_replication_role = replica")
        session.execute(
            f"INSERT INTO {table} ({', '.join(names)}) SELECT {picked} FROM {table} r, generate_series(1, {rows}) n "
            f"WHERE r.id = (SELECT id FROM {table} LIMIT 1)"
        )
        session.execute(f"ANALYZE {table}")


def columns(session: Any, table: str) -> list[str]:
    """Return the names of a table's columns, as they are now."""
    found = session.execute("SELECT column_name FROM information_schema.columns WHERE table_name = %s", [table])
    return [name for (name,) in found.fetchall()]


class Watch:
    """The longest that anybody but ``migrate`` has waited for a lock so far."""

    def __init__(self, url: str) -> None:
        self.longest, self.what, self._stop = 0.0, "", threading.Event()
        self._session = psycopg.connect(url, autocommit=True, application_name="watch")
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_error: Any) -> None:
        self._stop.set()
        self._thread.join()
        self._session.close()

    def _look(self) -> None:
        while not self._stop.wait(0.02):
            waits = self._session.execute(WAITS, [MIGRATING]).fetchone()
            if waits and waits[0] > self.longest:
                self.longest, self.what = float(waits[0]), f"{waits[1]} waited for {waits[2]}"


class Use:
    """What processes of the portal do to the big tables all the while, timed."""

    def __init__(self, url: str, statements: list[str]) -> None:
        self.longest: dict[str, float] = dict.fromkeys(statements, 0.0)
        self.failures: list[str] = []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._repeat, args=(url, each)) for each in statements]

    def __enter__(self) -> "Use":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_error: Any) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _repeat(self, url: str, statement: str) -> None:
        with psycopg.connect(url, autocommit=True, application_name="use") as session:
            while not self._stop.wait(0.05):
                started = time.monotonic()
                try:
                    session.execute(statement)
                except psycopg.Error as error:
                    self.failures.append(f"{statement}: {error}")
                    return
                self.longest[statement] = max(self.longest[statement], time.monotonic() - started)


def make_row(session: Any, table: str, **values: Any) -> str:
    """Insert a row with these values, and anything that fits where a column must have one; return its key."""
    needed = session.execute(
        "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = %s AND is_nullable = 'NO' "
        "AND column_default IS NULL AND is_identity = 'NO'",
        [table],
    ).fetchall()
    filled = {name: FITTING.get(kind, "1") for name, kind in needed} | dict.fromkeys(values, "%s")
    row = session.execute(
        f"INSERT INTO {table} ({', '.join(filled)}) VALUES ({', '.join(filled.values())}) RETURNING id",
        [values[name] for name in filled if name in values],
    )
    return str(row.fetchone()[0])


def copying(session: Any, table: str) -> str:
    """Return the statement that inserts one more row, with the columns that there are now and with no later ones."""
    names = ", ".join(name for name in columns(session, table) if name != "id")
    return f"INSERT INTO {table} (id, {names}) SELECT gen_random_uuid(), {names} FROM {table} LIMIT 1"

"""What docs/operate.md says of restoring is done to the letter: a backup made under load, put into an empty place.

Real processes throughout, so that each takes a quarter of a minute: on SQLite, on PostgreSQL, and behind a pooler.
"""

import contextlib
import itertools
import json
import re
import shutil
import sqlite3
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest
from django.db import connection
from standardwebhooks import Webhook

from integrations_portal.database import pg_dump
from tests.conventions.test_documentation_names import FENCED, commands_of
from tests.conventions.tree import read
from tests.demos import clone_to
from tests.faults.processes import database_url
from tests.poolers import pgbouncer
from tests.receivers import Receiver
from tests.servers import ROOT, Portal, redis_server

ORDERS_A_SECOND = 5
# From then on no migration was renamed: 18 came since.
OLDER = "8610b75"
TABLES = "(SELECT count(*) FROM webhooks_event), (SELECT count(*) FROM webhooks_delivery)"


@dataclass
class Place:
    """Where a portal's database is: for its processes, and without a pooler."""

    url: str
    direct: str
    file: Path | None = None
    variables: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.variables = {"DATABASE_URL": self.url}
        if self.url != self.direct:
            self.variables |= {"DATABASE_PREPARE": "false", "BACKUP_DATABASE_URL": self.direct}


def documented(*beginnings: str) -> list[str]:
    """Return the commands under "Restore" that begin so, whoever types them."""
    part = read("docs/operate.md").split("### Restore\n")[1].split("\n## ")[0]
    text = "".join(commands_of(block[2]) for block in FENCED.finditer(part))
    lines = re.sub(r"runuser -u \w+ -- ", "", text).splitlines()
    found = [line for line in lines if line.startswith(beginnings)]
    assert found, beginnings
    return found


def typed(commands: list[str], portal: Portal, replaced: dict[str, str], more: dict[str, str] | None = None) -> str:
    """Type commands into one shell with the portal's environment; the first that fails ends it."""
    text = "\n".join(["set -eu", *commands])
    for words, instead in replaced.items():
        assert words in text, words
        text = text.replace(words, instead)
    done = subprocess.run(
        ["bash", "-c", text], cwd=ROOT, env={**portal.environment, **(more or {})}, capture_output=True, text=True
    )
    assert done.returncode == 0, text + done.stdout + done.stderr
    return done.stdout


# The places


@contextlib.contextmanager
def on_sqlite(folder: Path):
    yield [
        Place(f"sqlite:///{file}", f"sqlite:///{file}", file) for file in (folder / "portal.sqlite3", folder / "new")
    ]


@contextlib.contextmanager
def on_postgresql(folder: Path):
    if connection.vendor != "postgresql":
        pytest.skip("needs PostgreSQL (TEST_DATABASE_URL)")
    base, names = database_url().rpartition("/")[0], [f"{connection.settings_dict['NAME']}_{end}" for end in "ab"]

    def drop():
        with connection.cursor() as cursor:
            for name in names:
                cursor.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    drop()
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {names[0]}")
    try:
        yield [Place(f"{base}/{name}", f"{base}/{name}") for name in names]
    finally:
        drop()


@contextlib.contextmanager
def a_reader(place: Place):
    """Let somebody else read a table while the backup is made, who is not there any more when it is restored."""
    may = "SELECT rolcreaterole OR rolsuper FROM pg_roles WHERE rolname = current_user"
    if place.file or not ask(place, may)[0]:
        yield
        return
    name = f"{place.direct.rpartition('/')[2]}_reader"
    with psycopg.connect(place.direct, autocommit=True) as session:
        session.execute(f"CREATE ROLE {name}")
        try:
            session.execute(f"GRANT SELECT ON orgs_organization TO {name}")
            yield
        finally:
            session.execute(f"REVOKE SELECT ON orgs_organization FROM {name}")
            session.execute(f"DROP ROLE {name}")


@contextlib.contextmanager
def behind_a_pooler(folder: Path):
    with pgbouncer(folder) as url, on_postgresql(folder) as places:
        pooled = url.rpartition("/")[0]
        yield [Place(f"{pooled}/{each.direct.rpartition('/')[2]}", each.direct) for each in places]


# What is done


class Orders:
    """Events that are published the whole time, five a second."""

    def __init__(self, portal: Portal, key: str) -> None:
        self.statuses: list[int] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(portal, key))

    def _run(self, portal: Portal, key: str) -> None:
        for number in itertools.takewhile(lambda _number: not self._stop.wait(1 / ORDERS_A_SECOND), itertools.count()):
            self.statuses.append(publish(portal, key, f"load-{number}").status)

    def __enter__(self) -> "Orders":
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        self._thread.join()


def publish(portal: Portal, key: str, client_id: str):
    data = {"order_id": client_id, "status": "placed"}
    return portal.post("/v1/events", key, {"type": "order.created", "id": client_id, "data": data})


def ids_of(receiver: Receiver, secret: str) -> list[str]:
    """Return the ids of what came, each verified by the signing secret that was told before the backup."""
    for request in receiver.requests:
        Webhook(secret).verify(request.body, request.headers)
    return [request.headers["webhook-id"] for request in receiver.requests]


def ask(place: Place, statement: str) -> tuple:
    """Ask a database without the portal."""
    if place.file:
        with contextlib.closing(sqlite3.connect(place.file)) as session:
            return session.execute(statement).fetchone()
    with psycopg.connect(place.direct, autocommit=True) as session:
        return session.execute(statement).fetchone()


def put_in_place(portal: Portal, backup: str, new: Place) -> None:
    """Type what the page says for this database."""
    if new.file:
        typed(documented("install "), portal, {"FILE": backup, "var/portal.sqlite3": str(new.file)})
        return
    reached = pg_dump.libpq_environment(connection)
    replaced = {
        "portal_restored": new.direct.rpartition("/")[2],
        "--owner portal": f"--owner {reached['PGUSER']}",
        "--role portal": f"--role {reached['PGUSER']}",
        " FILE": f" {backup}",
    }
    typed(documented("createdb ", "pg_restore "), portal, replaced, reached)


@contextlib.contextmanager
def a_redis(folder: Path):
    """Give settings with a Redis of the test's own, or without one where that is not installed."""
    if shutil.which("redis-server") and shutil.which("redis-cli"):
        with redis_server(folder) as server:
            yield {"REDIS_URL": server.url}
    else:
        yield {}


def check_restored(places, folder):
    old, new = places
    with Receiver() as receiver, a_redis(folder) as redis:
        shared = {"WEBHOOK_ALLOW_CIDRS": "127.0.0.0/8", "RATE_LIMIT_DEFAULTS": "9999/minute", **redis}
        before = Portal(folder, {**shared, **old.variables})
        Portal(folder, {**shared, "DATABASE_URL": old.direct}).make_organization()
        key = before.make_key("webhooks:write", "events:write", "api_keys:write", type="internal")["key"]
        before.start()
        try:
            endpoint = before.post("/v1/webhook-endpoints", key, {"url": receiver.url, "event_types": ["order.*"],
                                                                  "headers": {"X-Team": "7"}})  # fmt: skip
            assert endpoint.status == 201, endpoint.body
            secret = json.loads(endpoint.body)["secret"]
            assert publish(before, key, "delivered-before").status == 202
            before.manage("worker", "--once")
            assert publish(before, key, "waits").status == 202
            (folder / "backups").mkdir()
            with Orders(before, key) as orders, a_reader(old):
                told = json.loads(before.manage("backup", str(folder / "backups"), "--keep", "3", "--json"))
            assert set(orders.statuses) == {202}
            assert publish(before, key, "after").status == 202
            before.manage("worker", "--once")
        finally:
            before.stop()
        first = ids_of(receiver, secret)
        assert len(first) == len(set(first)) == len(orders.statuses) + 3
        receiver.requests.clear()

        put_in_place(before, told["file"], new)
        after = Portal(folder, {**shared, **new.variables})
        straight = Portal(folder, {**shared, "DATABASE_URL": new.direct})
        python = {".venv/bin/python": sys.executable}
        typed(documented(".venv/bin/python manage.py migrate"), straight, python)
        typed(documented(".venv/bin/python manage.py rotate", ".venv/bin/python manage.py verify"), after, python)
        events, deliveries = ask(new, f"SELECT {TABLES}")
        if redis:
            typed(documented("redis-cli"), after, {"-n 0": f"-u {redis['REDIS_URL']}"})
        typed(documented(".venv/bin/python manage.py worker"), after, python)
        again = ids_of(receiver, secret)
        # What waited in the backup, once each and under its own id; what had been delivered before it not once more.
        assert len(again) == len(set(again)) == deliveries - 1 and set(again) < set(first) and first[0] not in again
        assert {request.headers["x-team"] for request in receiver.requests} == {"7"}
        receiver.requests.clear()
        go_on(after, new, key, receiver, secret)


def go_on(portal, place, key, receiver, secret):
    """Keys judge, numbers go on, a repeat is known, the audit log takes entries and lets none be changed."""
    portal.start()
    try:
        assert portal.get("/v1/me", key).status == 200
        assert publish(portal, key, "waits").status in (200, 202)
        assert publish(portal, key, "new").status == 202
        made = portal.post("/v1/api-keys", key, {"name": "Of after", "type": "partner", "scopes": ["events:read"]})
        assert made.status == 201, made.body
        portal.manage("worker", "--once")
        assert len(ids_of(receiver, secret)) == 1
        portal.manage("verify_audit")
    finally:
        portal.stop()
    with pytest.raises((sqlite3.IntegrityError, psycopg.errors.RestrictViolation)):
        ask(place, "UPDATE audit_auditentry SET action = 'x'")


@pytest.mark.skipif("connection.vendor != 'sqlite'", reason="once is enough")
def test_on_sqlite(tmp_path):
    with on_sqlite(tmp_path) as places:
        check_restored(places, tmp_path)


@pytest.mark.django_db(transaction=True)
def test_on_postgresql_behind_a_pooler(tmp_path):
    with behind_a_pooler(tmp_path) as places:
        check_restored(places, tmp_path)


@pytest.mark.django_db(transaction=True)
def test_on_postgresql(tmp_path):
    with on_postgresql(tmp_path) as places:
        check_restored(places, tmp_path)


@pytest.mark.long
@pytest.mark.clone
@pytest.mark.django_db(transaction=True)
def test_a_backup_of_an_older_version_is_restored_and_migrated(tmp_path):
    old_code = clone_to(tmp_path / "old")
    subprocess.run(["git", "checkout", "--quiet", "--force", OLDER], cwd=old_code, check=True)
    kind = on_postgresql if connection.vendor == "postgresql" else on_sqlite
    with kind(tmp_path) as (old, new), Receiver() as receiver:
        shared = {"WEBHOOK_ALLOW_CIDRS": "127.0.0.0/8"}
        before = Portal(tmp_path, {**shared, **old.variables}, root=old_code)
        before.make_organization()
        words = ("create_endpoint", "--org", "acme", "--url", receiver.url, "--json")
        secret = json.loads(before.manage(*words))["secret"]
        key = before.make_key()["key"]  # and an event of it, which waits
        before.manage("backup", str(tmp_path / "FILE"))
        after = Portal(tmp_path, {**shared, **new.variables})
        put_in_place(after, str(tmp_path / "FILE"), new)
        typed(documented(".venv/bin/python"), after, {".venv/bin/python": sys.executable})
        assert len(ids_of(receiver, secret)) >= 1
        after.manage("verify_audit")
        after.start()
        try:
            assert after.get("/v1/me", key).status == 200
        finally:
            after.stop()

"""An upgrade without a stop: a million rows in each big table, people at work all the while.

The commands are those of docs/run.md, from the first to the last. The version before is the commit before the last
dozen that brought a migration. UPGRADE_ROWS=20000 makes it shorter.
"""

import http.client
import itertools
import json
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from tests.conventions.tree import read
from tests.environment import ENCODED
from tests.machines import Machine
from tests.receivers import Receiver
from tests.servers import HOST, redis_server
from tests.test_docs_are_run import part
from tests.upgrades import MIGRATING, Use, Watch, copying, make_row, multiply, postgresql

pytestmark = [pytest.mark.long, pytest.mark.pure, pytest.mark.clone]

ROOT = Path(__file__).resolve().parents[1]
ROWS = int(os.environ.get("UPGRADE_ROWS", 1_000_000))
LONGEST_SECONDS = 1.0
# The first schema of each big table.
FIRST = """
import django; django.setup()
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
MigrationExecutor(connection).migrate([(app, "0001_initial") for app in ("orgs", "audit", "webhooks", "api_keys")])
"""
# Entries that wait for no seal, calls that no day counts, hours without the time of their newest call.
WHAT_IS_MISSING = """
SELECT (SELECT count(*) FROM audit_auditentry) - (SELECT count(*) FROM audit_unsealed),
       (SELECT sum(calls) FROM audit_usagehour) - (SELECT sum(calls) FROM audit_usageday),
       (SELECT count(*) FROM audit_usagehour WHERE last_at <> hour)
"""


def run(code, url, *words):
    environment = {**os.environ, "DATABASE_URL": url, "PGAPPNAME": MIGRATING}
    done = subprocess.run([sys.executable, *words], cwd=code, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


def fill(url, rows):
    """Fill the big tables, and return what is done to them all the while by processes of that version."""
    with psycopg.connect(url, autocommit=True) as session:
        acme = make_row(session, "orgs_organization", slug="acme")
        own = {"organization_id": acme}
        endpoint = make_row(session, "webhooks_endpoint", **own)
        event = make_row(session, "webhooks_event", **own)
        delivery = make_row(
            session, "webhooks_delivery", **own, endpoint_id=endpoint, event_id=event, status="succeeded"
        )
        make_row(session, "webhooks_attempt", **own, endpoint_id=endpoint, delivery_id=delivery)
        for table in ("audit_apicall", "audit_auditentry", "audit_usagehour"):
            make_row(session, table, **own)
    big = ("audit_apicall", "audit_auditentry", "webhooks_delivery", "webhooks_attempt")
    for table in big:
        multiply(url, table, rows)
    multiply(url, "audit_usagehour", rows // 10, id="n + 1", hour="now() - n * interval '1 hour'")
    with psycopg.connect(url, autocommit=True) as session:
        inserts = [copying(session, table) for table in big]
    return [
        *inserts,
        f"UPDATE webhooks_delivery SET last_status_code = 200 WHERE id = '{delivery}'",
        f"SELECT count(*) FROM webhooks_attempt WHERE delivery_id = '{delivery}' AND number = 99",
        f"UPDATE orgs_organization SET name = 'Acme' WHERE id = '{acme}'",
    ]


def migrate_under_use(code, rows):
    with postgresql() as url:
        run(code, url, "-c", FIRST)
        statements = fill(url, rows)
        with Watch(url) as watch, Use(url, statements) as use:
            time.sleep(2)
            before, started = dict(use.longest), time.monotonic()
            run(code, url, "manage.py", "migrate")
            seconds = time.monotonic() - started
        run(code, url, "manage.py", "migrate", "--check")
        with psycopg.connect(url) as session:
            assert session.execute(WHAT_IS_MISSING).fetchone() == (0, 0, 0)
    return watch, use, seconds, before


def test_from_the_first_schema_on_nobody_waits_for_a_lock():
    watch, use, seconds, before = migrate_under_use(ROOT, ROWS)
    print(f"{ROWS} rows: migrate took {seconds:.0f} s, the longest wait for a lock {watch.longest:.3f} s")
    for statement, longest in use.longest.items():
        print(f"  {longest:.3f} s (before {before[statement]:.3f} s): {statement[:60]}")
    assert use.failures == []
    assert watch.longest < LONGEST_SECONDS


# The whole way

COMMITS_BACK = 12
PER_SECOND = 5
ENVIRONMENT = """DEBUG=false
SECRET_KEY=a-secret-key-of-the-test-of-upgrades-alone
ENCRYPTION_KEYS=t1:{encryption}
KEY_PEPPERS=t1:{pepper}
AUDIT_SIGNING_KEY={audit}
PUBLIC_URL=https://portal.example.com
ALLOWED_HOSTS=portal.example.com
TRUSTED_PROXIES=127.0.0.1
WEBHOOK_ALLOW_CIDRS=127.0.0.0/8
EMAIL_URL=dummymail://
LOG_LEVEL=WARNING
DATABASE_URL={url}
REDIS_URL={redis}
"""
UNIT = """[Service]
WorkingDirectory=/srv/portal
EnvironmentFile=/srv/portal/.env
ExecStart={command}
TimeoutStopSec=20
"""
SIGN_IN = """
import time
from django.test import Client
from apps.orgs.models import User
client, user = Client(), User.objects.get(email="ada@acme.example")
client.force_login(user)
session = client.session
session["account_authentication_methods"] = [{"method": "password", "at": time.time()}]
session["account_authentication_methods_user"] = str(user.pk)
session.save()
print(session.session_key)
"""


def git(*words):
    done = subprocess.run(["git", "-c", "safe.directory=*", *words], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def version_before():
    """Return the commit before the last ones that brought migrations."""
    shallow = (ROOT / ".git").exists() and git("rev-parse", "--is-shallow-repository") == ["true"]
    if shallow or not (ROOT / ".git").exists():
        pytest.skip("needs the history of the repository")
    words = ("log", "--first-parent", "--diff-filter=A", "--format=%H", "--", "apps/*/migrations/0*.py")
    return git("rev-parse", f"{git(*words)[:COMMITS_BACK][-1]}^")[0]


class Load:
    """Calls and pages through nginx, so many a second whatever becomes of them; each on a connection of its own."""

    def __init__(self, port, key, session):
        self.port, self.key, self.session = port, key, session
        self.failures, self.seconds, self.count = [], [], itertools.count()
        self._stop, self._thread = threading.Event(), threading.Thread(target=self._send)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_error):
        self._stop.set()
        self._thread.join()

    def _send(self):
        with ThreadPoolExecutor(32) as pool:
            due = time.monotonic()
            while not self._stop.is_set():
                pool.submit(self._one, next(self.count))
                due += 1 / PER_SECOND
                time.sleep(max(0.0, due - time.monotonic()))

    def _one(self, number):
        event = {
            "type": "order.created",
            "id": f"load-{number}",
            "data": {"order_id": f"ORD-{number}", "status": "placed"},
        }
        page, call = {"Cookie": f"__Host-session={self.session}"}, {"Authorization": f"Bearer {self.key}"}
        method, path, headers, body = (
            ("GET", "/v1/me", call, None),
            ("POST", "/v1/events", {**call, "Content-Type": "application/json"}, json.dumps(event)),
            ("GET", "/o/acme/settings/integration/api-keys/", page, None),
            ("GET", "/v1/audit-log?limit=20", call, None),
            ("GET", "/v1/deliveries?limit=20", call, None),
            ("GET", "/o/acme/settings/integration/audit/", page, None),
            ("GET", "/v1/users", call, None),
        )[number % 7]
        started = time.monotonic()
        try:
            connection = http.client.HTTPConnection(HOST, self.port, timeout=30)
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            said, status = answer.read(), answer.status
            connection.close()
        except OSError as error:
            said, status = repr(error).encode(), 0
        self.seconds.append(time.monotonic() - started)
        if not 200 <= status < 300:
            self.failures.append(f"{time.strftime('%H:%M:%S')} {method} {path}: {status} {said[:300]!r}")


@pytest.fixture
def machine(tmp_path):
    made = Machine(tmp_path / "machine")
    yield made
    made.stop()


def install(machine, version, url, redis):
    """Put a version on the machine as its own page says, and give an id of a session and a key of Acme."""
    machine.type(
        f"git clone --quiet {ROOT} /srv/portal\ncd /srv/portal\ngit checkout --quiet {version}\npython3 -m venv .venv"
    )
    machine.write("/srv/portal/.env", ENVIRONMENT.format(**ENCODED, url=url, redis=redis))
    granian = next(
        line for line in read("deploy/systemd/portal-web.service").splitlines() if line.startswith("ExecStart=")
    )
    words = granian.removeprefix("ExecStart=").replace(" --log-config integrations_portal/granian.json", "")
    machine.write("/etc/systemd/system/portal-web.service", UNIT.format(command=words))
    worker = "/srv/portal/.venv/bin/python manage.py worker"
    machine.write("/etc/systemd/system/portal-worker.service", UNIT.format(command=worker))
    manage = "cd /srv/portal; runuser -u portal -- .venv/bin/python manage.py"
    machine.type(f"{manage} migrate")
    machine.type(f"{manage} create_organization --name Acme --slug acme --owner-email ada@acme.example")
    scopes = "users:read,events:write,webhooks:read,webhooks:write,audit:read"
    key = machine.type(f"{manage} create_api_key --org acme --type internal --name Load --scopes {scopes} --json")
    (machine.root / "sign_in.py").write_text(SIGN_IN)
    session = machine.type(f"{manage} shell -v 0 < {machine.root}/sign_in.py")
    machine.type("systemctl start portal-web portal-worker")
    return json.loads(key.strip().splitlines()[-1])["key"], session.split()[-1]


def make_first_rows(machine, key, receiver, url):
    """Have the portal itself make a row of each kind, which is copied a million times."""
    manage = "cd /srv/portal; runuser -u portal -- .venv/bin/python manage.py"
    machine.type(f"{manage} create_endpoint --org acme --url {receiver.url} --events '*'")
    with Load(machine.port, key, ""), psycopg.connect(url, autocommit=True) as session:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            counts = session.execute(
                "SELECT (SELECT count(*) FROM webhooks_attempt), (SELECT count(*) FROM audit_apicall)"
            ).fetchone()
            if all(counts):
                return
            time.sleep(0.5)
    pytest.fail(f"nothing was delivered\n{machine.logs()}")


def versions(machine):
    return {machine.type(f"cd /srv/{name}; git rev-parse HEAD").strip() for name in ("portal", "portal-2")}


def test_an_upgrade_and_the_way_back_fail_no_request(machine, tmp_path):
    before, now = version_before(), git("rev-parse", "HEAD")[0]
    (tmp_path / "redis").mkdir()
    with postgresql() as url, redis_server(tmp_path / "redis") as redis, Receiver() as receiver:
        key, session = install(machine, before, url, redis.url)
        make_first_rows(machine, key, receiver, url)
        for table in ("audit_apicall", "audit_auditentry", "webhooks_delivery", "webhooks_attempt"):
            multiply(url, table, ROWS)
        machine.type(part("docs/run.md", "Without a stop: once"))
        assert versions(machine) == {before}
        commands = part("docs/run.md", "Without a stop: each time")
        with Load(machine.port, key, session) as load, Watch(url) as watch:
            started = time.monotonic()
            print(machine.type(commands.replace("VERSION=v1.2.0", f"VERSION={now}")))
            figures(load, watch, time.monotonic() - started, "forward")
            assert versions(machine) == {now}
            print(machine.type(commands.replace("VERSION=v1.2.0", f"VERSION={before}")))
            figures(load, watch, time.monotonic() - started, "and back")
            assert versions(machine) == {before}
        assert load.failures == [], machine.logs()
        assert watch.longest < LONGEST_SECONDS, watch.what
        machine.type(part("docs/run.md", "With a short stop").replace("VERSION=v1.2.0", f"VERSION={now}"))
        machine.type("cd /srv/portal; runuser -u portal -- .venv/bin/python manage.py migrate --check")


def figures(load, watch, seconds, way):
    slow = sorted(load.seconds)
    print(
        f"{way}: {len(slow)} requests in {seconds:.0f} s, {len(load.failures)} failed, the slowest {slow[-1]:.2f} s, "
        f"99 of 100 in {slow[len(slow) * 99 // 100]:.2f} s; the longest wait for a lock {watch.longest:.3f} s"
    )

"""A wrong setting stops the start with a sentence that names it; a right one is read (M26).

Each case is a process of its own with an environment of its own: settings are read once.
"""

import base64
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.pure

ROOT = Path(__file__).resolve().parents[2]
KEY = base64.b64encode(b"k" * 32).decode()
GOOD = {
    "SECRET_KEY": "s" * 50,
    "ENCRYPTION_KEYS": f"k1:{KEY}",
    "KEY_PEPPERS": f"p1:{KEY}",
    "AUDIT_SIGNING_KEY": KEY,
    "DATABASE_URL": "sqlite:///var/never-opened.sqlite3",
    "PUBLIC_URL": "https://portal.example.com",
    "ALLOWED_HOSTS": "portal.example.com",
}
READ = "import integrations_portal.settings as s; print({what})"


def start(what: str = "'started'", **changes: str | None) -> subprocess.CompletedProcess:
    """Read the settings in a fresh process; None takes a variable away."""
    values = {name: value for name, value in {**GOOD, **changes}.items() if value is not None}
    environment = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1", **values}
    command = [sys.executable, "-c", READ.format(what=what)]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)


def setting(name: str, **changes: str | None) -> Any:
    """This will return how a setting reads."""
    done = start(f"repr(s.{name})", **changes)
    assert done.returncode == 0, done.stderr[-500:]
    return done.stdout.strip()


def check_refused(name: str, **changes: str | None) -> None:
    done = start(**changes)
    last = done.stderr.strip().splitlines()[-1] if done.stderr.strip() else ""
    assert done.returncode != 0, "it started"
    assert last.startswith("django.core.exceptions.ImproperlyConfigured: ") and name in last
    # The sentence names the variable, never a secret's value.
    assert KEY not in last and GOOD["SECRET_KEY"] not in last


def test_good_values_start():
    assert start().stdout == "started\n"


@pytest.mark.parametrize("name", GOOD)
def test_without_a_required_value_it_does_not_start(name):
    check_refused(name, **{name: None})
    check_refused(name, **{name: ""})


@pytest.mark.parametrize("name", ["SECRET_KEY", "ENCRYPTION_KEYS", "KEY_PEPPERS", "AUDIT_SIGNING_KEY", "DATABASE_URL"])
def test_debug_makes_up_no_secret(name):
    check_refused(name, DEBUG="true", **{name: None})


WRONG = [
    ("DEBUG", "maybe"),
    ("SECRET_KEY", "short"),
    ("ENCRYPTION_KEYS", "k1"),
    ("ENCRYPTION_KEYS", "k1:notbase64!"),
    ("ENCRYPTION_KEYS", "k1:" + base64.b64encode(b"k" * 31).decode()),
    ("ENCRYPTION_KEYS", f"k1:{KEY},k1:{KEY}"),
    ("ENCRYPTION_KEYS", f"a b:{KEY}"),
    ("KEY_PEPPERS", f":{KEY}"),
    ("KEY_PEPPERS", "p1:"),
    ("AUDIT_SIGNING_KEY", "abc"),
    ("PUBLIC_URL", "portal.example.com"),
    ("PUBLIC_URL", "ftp://portal.example.com"),
    ("PUBLIC_URL", "https://portal.example.com/portal"),
    ("PUBLIC_URL", "https://portal.example.com?x=1"),
    ("PUBLIC_URL", "https://"),
    ("PUBLIC_URL", "http://portal.example.com"),
    ("PUBLIC_URL", "https://user:password@portal.example.com"),
    ("PUBLIC_URL", "https://portal.example.com:port"),
    ("PUBLIC_URL", "https://portal.example.com#part"),
    ("ALLOWED_HOSTS", "*"),
    ("ALLOWED_HOSTS", "portal.example.com,*"),
    ("TRUSTED_PROXIES", "10.0.0.0/33"),
    ("TRUSTED_PROXIES", "10.0.0.1/8"),
    ("TRUSTED_PROXIES", "proxy.example.com"),
    ("DATABASE_URL", "mysql://root@localhost/portal"),
    ("DATABASE_URL", "portal.sqlite3"),
    ("REDIS_URL", "localhost:6379"),
    ("REDIS_URL", "http://localhost:6379"),
    ("CELERY_BROKER_URL", "amqp://localhost"),
    ("EMAIL_URL", "carrier-pigeon://roof"),
    ("WEBHOOK_ALLOW_CIDRS", "127.0.0.1/32:99999"),
    ("WEBHOOK_ALLOW_CIDRS", "everything"),
    ("WEBHOOK_RETRY_SCHEDULE", "5,soon"),
    ("WEBHOOK_RETRY_SCHEDULE", "-5"),
    ("WEBHOOK_RETRY_SCHEDULE", "5;300"),
    ("WEBHOOK_TIMEOUT", "0"),
    ("WEBHOOK_TIMEOUT", "61"),
    ("WEBHOOK_TIMEOUT", "1.5"),
    ("RATE_LIMIT_DEFAULTS", "100"),
    ("RATE_LIMIT_DEFAULTS", "100/day"),
    ("RATE_LIMIT_DEFAULTS", "0/minute"),
    ("RATE_LIMIT_DEFAULTS", "1/minute,2/minute"),
    ("AUTH_FAILURES_PER_MINUTE", "-1"),
    ("AUTH_FAILURES_PER_MINUTE", "many"),
    ("API_CALL_LOG", "loose"),
    ("API_CALL_LOG", "stream"),
    ("RETENTION_DAYS_API_CALLS", "0"),
    ("RETENTION_DAYS_DELIVERIES", "x"),
    ("RETENTION_DAYS_AUDIT", "29"),
    ("LOG_LEVEL", "verbose"),
]


@pytest.mark.parametrize(("name", "value"), WRONG, ids=lambda text: text[:40])
def test_a_wrong_value_stops_the_start_and_is_named(name, value):
    check_refused(name, **{name: value})


@pytest.mark.parametrize(
    ("name", "changes", "reads"),
    [
        ("DEBUG", {"DEBUG": "Yes"}, "True"),
        ("DEBUG", {"DEBUG": ""}, "False"),
        ("DEBUG", {}, "False"),
        ("PUBLIC_URL", {"PUBLIC_URL": "https://portal.example.com/"}, "'https://portal.example.com'"),
        ("ALLOWED_HOSTS", {"PUBLIC_URL": "http://127.0.0.1:8000", "ALLOWED_HOSTS": None}, "['127.0.0.1']"),
        ("HTTPS", {"PUBLIC_URL": "http://localhost:8000"}, "False"),
        ("SESSION_COOKIE_NAME", {}, "'__Host-session'"),
        ("SESSION_COOKIE_NAME", {"PUBLIC_URL": "http://localhost:8000"}, "'session'"),
        ("SESSION_COOKIE_SECURE", {}, "True"),
        ("SECURE_HSTS_SECONDS", {}, "31536000"),
        ("SECURE_HSTS_SECONDS", {"PUBLIC_URL": "http://localhost:8000"}, "0"),
        ("RATE_LIMIT_DEFAULTS", {}, "{'minute': 100, 'hour': 5000}"),
        ("RATE_LIMIT_DEFAULTS", {"RATE_LIMIT_DEFAULTS": "7/hour"}, "{'hour': 7}"),
        ("WEBHOOK_ALLOW_CIDRS", {}, "()"),
        ("AUTH_FAILURES_PER_MINUTE", {}, "60"),
        ("list(s.ENCRYPTION_KEYS)"[5:-1].removeprefix("s."), {"ENCRYPTION_KEYS": f" a:{KEY} , b:{KEY} "}, None),
        ("CACHES['default']['BACKEND']", {}, "'django.core.cache.backends.locmem.LocMemCache'"),
        ("CACHES['default']['LOCATION']", {"REDIS_URL": "redis://h:1/2"}, "'redis://h:1/2'"),
    ],
)
def test_right_values_are_read(name, changes, reads):
    found = setting(name, **changes)
    assert found == reads if reads is not None else found.startswith("{'a': b'k") and found.count("b'k") == 2


def test_a_value_may_stand_in_a_file(tmp_path):
    file = tmp_path / "secret"
    file.write_text("f" * 40 + "\n")
    assert setting("SECRET_KEY", SECRET_KEY=None, SECRET_KEY_FILE=str(file)) == repr("f" * 40)


def test_a_file_that_is_not_there_stops_the_start(tmp_path):
    done = start(SECRET_KEY=None, SECRET_KEY_FILE=str(tmp_path / "nothing"))
    assert done.returncode != 0 and "SECRET_KEY" in done.stderr.splitlines()[-1]

"""A wrong setting stops the start with a sentence that names it; a right one is read (M26).

The settings file is run anew for each case, in a process beside the tests whose environment holds nothing else.
"""

import base64
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
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
READER = """
import environ, json, os, runpy, sys
for line in sys.stdin:
    os.environ.clear()
    environ.FileAwareEnv.ENVIRON = environ.fileaware_mapping.FileAwareMapping()  # it remembers files
    os.environ.update(json.loads(line))
    try:
        found = runpy.run_path("integrations_portal/settings.py")
        found.pop("LANGUAGES")  # their words need a configured Django
        answer = {"settings": {name: repr(value) for name, value in found.items() if name.isupper()}}
    except Exception as error:
        answer = {"error": type(error).__name__, "text": str(error)}
    print(json.dumps(answer), flush=True)
"""
Read = Callable[..., dict[str, Any]]


def environment(**changes: str | None) -> dict[str, str]:
    """This will return the good values with some changed; None takes one away."""
    return {name: value for name, value in {**GOOD, **changes}.items() if value is not None}


@pytest.fixture(scope="module")
def read() -> Iterator[Read]:
    command, pipe = [sys.executable, "-c", READER], subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, env={}, text=True) as reader:

        def ask(**changes: str | None) -> dict[str, Any]:
            reader.stdin.write(json.dumps(environment(**changes)) + "\n")
            reader.stdin.flush()
            return json.loads(reader.stdout.readline())

        yield ask
        reader.stdin.close()


def check_refused(read: Read, name: str, **changes: str | None) -> None:
    answer = read(**changes)
    assert answer.get("error") == "ImproperlyConfigured", answer
    assert name in answer["text"]
    # The sentence names the variable, never a secret's value.
    assert KEY not in answer["text"] and GOOD["SECRET_KEY"] not in answer["text"]


def test_good_values_start(read):
    assert "settings" in read()


def test_a_refused_start_is_one_of_the_whole_program():
    command, values = [sys.executable, "manage.py", "check"], environment(SECRET_KEY="short")
    done = subprocess.run(
        command, cwd=ROOT, env={**values, "PATH": os.environ["PATH"]}, capture_output=True, text=True, timeout=60
    )
    assert done.returncode != 0 and "SECRET_KEY must have at least 32 characters." in done.stderr


@pytest.mark.parametrize("name", GOOD)
def test_without_a_required_value_it_does_not_start(read, name):
    check_refused(read, name, **{name: None})
    check_refused(read, name, **{name: ""})


@pytest.mark.parametrize("name", ["SECRET_KEY", "ENCRYPTION_KEYS", "KEY_PEPPERS", "AUDIT_SIGNING_KEY", "DATABASE_URL"])
def test_debug_makes_up_no_secret(read, name):
    check_refused(read, name, DEBUG="true", **{name: None})


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
    ("RETENTION_DAYS_EVENTS", "0"),
    ("RETENTION_DAYS_ATTEMPTS", "3651"),
    ("RETENTION_DAYS_DELIVERIES", "x"),
    ("RETENTION_DAYS_AUDIT", "29"),
    ("RETENTION_DAYS_NOTICES", "29"),
    ("RETENTION_DAYS_EXPORTS", "0"),
    ("LOG_LEVEL", "verbose"),
    ("SUPPORT_CONTACT", "javascript:alert(1)"),
    ("SUPPORT_CONTACT", "http://help.example"),
]


@pytest.mark.parametrize(("name", "value"), WRONG, ids=lambda text: text[:40])
def test_a_wrong_value_stops_the_start_and_is_named(read, name, value):
    check_refused(read, name, **{name: value})


LOCAL = {"PUBLIC_URL": "http://localhost:8000"}


@pytest.mark.parametrize(
    ("changes", "name", "value"),
    [
        ({"DEBUG": "Yes"}, "DEBUG", True),
        ({"DEBUG": ""}, "DEBUG", False),
        ({}, "DEBUG", False),
        ({"PUBLIC_URL": "https://portal.example.com/"}, "PUBLIC_URL", "https://portal.example.com"),
        ({**LOCAL, "ALLOWED_HOSTS": None}, "ALLOWED_HOSTS", ["localhost"]),
        ({}, "SESSION_COOKIE_NAME", "__Host-session"),
        (LOCAL, "SESSION_COOKIE_NAME", "session"),
        ({}, "CSRF_COOKIE_SECURE", True),
        (LOCAL, "CSRF_COOKIE_SECURE", False),
        ({}, "SECURE_HSTS_SECONDS", 31_536_000),
        (LOCAL, "SECURE_HSTS_SECONDS", 0),
        ({}, "RATE_LIMIT_DEFAULTS", {"minute": 100, "hour": 5000}),
        ({"RATE_LIMIT_DEFAULTS": "7/hour"}, "RATE_LIMIT_DEFAULTS", {"hour": 7}),
        ({}, "WEBHOOK_ALLOW_CIDRS", ()),
        ({}, "AUTH_FAILURES_PER_MINUTE", 60),
        ({"ENCRYPTION_KEYS": f" b:{KEY} , a:{KEY} "}, "ENCRYPTION_KEYS", {"b": b"k" * 32, "a": b"k" * 32}),
        ({"WEBHOOK_RETRY_SCHEDULE": "1, 2"}, "WEBHOOK_RETRY_SCHEDULE", (1, 2)),
    ],
)
def test_right_values_are_read(read, changes, name, value):
    assert read(**changes)["settings"][name] == repr(value)


def test_a_value_may_stand_in_a_file(read, tmp_path):
    file = tmp_path / "secret"
    file.write_text("f" * 40 + "\n")
    assert read(SECRET_KEY=None, SECRET_KEY_FILE=str(file))["settings"]["SECRET_KEY"] == repr("f" * 40)


def test_a_file_that_is_not_there_stops_the_start_and_is_named(read, tmp_path):
    check_refused(read, "SECRET_KEY_FILE", SECRET_KEY=None, SECRET_KEY_FILE=str(tmp_path / "nothing"))

"""A wrong setting stops the start with a sentence that names it; a right one is read.

The settings file is run anew for each case, in a process beside the tests whose environment holds nothing else.
"""

import ast
import base64
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from integrations_portal.environment.validators import database_file
from tests.servers import free_port

pytestmark = pytest.mark.pure

ROOT = Path(__file__).resolve().parents[2]


def key_of(word: str) -> str:
    """Return 32 bytes in base64, others for each word."""
    return base64.b64encode(hashlib.sha256(word.encode()).digest()).decode()


KEY, PEPPER, SIGNING = key_of("encryption"), key_of("pepper"), key_of("signing")
GOOD = {
    "SECRET_KEY": "Vt3wq0ZyJx8dLm5nRk7sBh2fGc9pTa4u-eXoWi6vQYz1",
    "ENCRYPTION_KEYS": f"k1:{KEY}",
    "KEY_PEPPERS": f"p1:{PEPPER}",
    "AUDIT_SIGNING_KEY": SIGNING,
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
    """Return the good values with some changed; None takes one away."""
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
    # One sentence that names the variable, never a secret's value.
    assert "\n" not in answer["text"] and answer["text"].endswith((".", "?"))
    assert [
        secret for secret in (KEY, PEPPER, SIGNING, GOOD["SECRET_KEY"], "hunter2", "r/t") if secret in answer["text"]
    ] == []


def test_good_values_start(read):
    assert "settings" in read()


def test_a_refused_start_is_one_of_the_whole_program():
    command, values = [sys.executable, "manage.py", "check"], environment(SECRET_KEY="short")
    done = subprocess.run(
        command, cwd=ROOT, env={**values, "PATH": os.environ["PATH"]}, capture_output=True, text=True, timeout=60
    )
    assert done.returncode != 0 and "SECRET_KEY must have at least 32 characters." in done.stderr


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgres://portal:hunter2@127.0.0.1:1/portal", "Connection refused. Check DATABASE_URL."),
        ("sqlite:///{folder}/empty.sqlite3", "no such table"),
        ("sqlite:///{folder}/closed.sqlite3", "must belong to the portal's user."),
    ],
)
def test_a_database_that_is_not_there_yet_is_one_sentence(tmp_path, url, said):
    (tmp_path / "closed.sqlite3").symlink_to("closed.sqlite3")  # not even root opens it
    command = [sys.executable, "manage.py", "create_operator", "--email", "you@vendor.example"]
    values = environment(DATABASE_URL=url.format(folder=tmp_path), EMAIL_URL="dummymail://", PATH=os.environ["PATH"])
    done = subprocess.run(command, cwd=ROOT, env=values, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and done.stderr.startswith("The database cannot be used: ") and said in done.stderr
    assert len(done.stderr.splitlines()) == 1 and "hunter2" not in done.stderr


@pytest.mark.parametrize("name", GOOD)
def test_without_a_required_value_it_does_not_start(read, name):
    check_refused(read, name, **{name: None})
    check_refused(read, name, **{name: ""})


@pytest.mark.parametrize("name", ["SECRET_KEY", "ENCRYPTION_KEYS", "KEY_PEPPERS", "AUDIT_SIGNING_KEY", "DATABASE_URL"])
def test_debug_makes_up_no_secret(read, name):
    check_refused(read, name, DEBUG="true", **{name: None})


WRONG = [
    ("DEBUG", "maybe"),
    ("HSTS_PRELOAD", "true"),
    ("HSTS_SUBDOMAINS", "all"),
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
    # Read as yes, as no or as nothing by somebody less strict.
    ("DEBUG", "true;"),
    ("DEBUG", "2"),
    ("DATABASE_PREPARE", "maybe"),
    ("BACKUP_DATABASE_URL", "postgres://portal:hunter2@db:5432/portal"),
    ("BACKUP_DATABASE_URL", "sqlite:///var/portal.sqlite3"),
    ("BACKUP_DATABASE_URL", "https://portal:hunter2@db:5432/portal"),
    ("WEBHOOK_TIMEOUT", ""),
    ("WEBHOOK_TIMEOUT", "true"),
    ("WEBHOOK_TIMEOUT", "١٥"),
    ("WEBHOOK_TIMEOUT", "1_5"),
    ("WEBHOOK_TIMEOUT", "15s"),
    ("AUTH_FAILURES_PER_MINUTE", " "),
    ("RATE_LIMIT_DEFAULTS", ""),
    ("RATE_LIMIT_DEFAULTS", " , "),
    ("RATE_LIMIT_DEFAULTS", "١/minute"),
    ("WEBHOOK_RETRY_SCHEDULE", "0,0,0"),
    ("WEBHOOK_RETRY_SCHEDULE", "5,0,300"),
    ("WEBHOOK_RETRY_SCHEDULE", ""),
    ("WEBHOOK_RETRY_SCHEDULE", "1.5"),
    ("LOG_LEVEL", "INFO\x1b[0m"),
    # Secrets that are none.
    ("SECRET_KEY", "django-insecure-Vt3wq0ZyJx8dLm5nRk7sBh2fGc9pTa4u"),
    ("SECRET_KEY", "s" * 50),
    ("SECRET_KEY", "abcabcabcabcabcabcabcabcabcabcabcabcabc"),
    ("SECRET_KEY", "0123456789" * 5),
    ("SECRET_KEY", "change-me-change-me-now-or-be-very-sorry-later"),
    ("SECRET_KEY", "your-secret-key-here-your-secret-key-is-here"),
    ("SECRET_KEY", " " * 50),
    ("ENCRYPTION_KEYS", "k1:" + base64.b64encode(bytes(32)).decode()),
    ("KEY_PEPPERS", "p1:" + base64.b64encode(b"\xff" * 32).decode()),
    ("AUDIT_SIGNING_KEY", base64.b64encode(bytes(range(32))).decode()),
    ("AUDIT_SIGNING_KEY", base64.b64encode(b"A" * 32).decode()),
    ("ENCRYPTION_KEYS", "k1:" + base64.b64encode(b"passwordpasswordpasswordpassword").decode()),
    ("KEY_PEPPERS", "p1:" + base64.b64encode(bytes(range(64, 32, -1))).decode()),
    ("SECRET_KEY", "passwordpasswordpasswordpassword1"),
    ("SECRET_KEY", "abcdefghijklmnopqrstuvwxyz0123456789"),
    ("METRICS_TOKEN", "0123456789abcdef"),
    ("KEY_PEPPERS", f"p1:{KEY}"),
    ("KEY_PEPPERS", f"p2:{PEPPER},p1:{KEY}"),
    ("AUDIT_SIGNING_KEY", KEY),
    ("AUDIT_SIGNING_KEY", PEPPER),
    ("SECRET_KEY", KEY),
    ("METRICS_TOKEN", SIGNING),
    ("METRICS_TOKEN", "a"),
    ("METRICS_TOKEN", "a" * 40),
    ("METRICS_TOKEN", "twenty words with blanks"),
    ("METRICS_TOKEN", "Vt3wq0ZyJx8dLm5nRk7sé"),
    # Networks of everybody.
    ("TRUSTED_PROXIES", "0.0.0.0/0"),
    ("TRUSTED_PROXIES", "::/0"),
    ("TRUSTED_PROXIES", "0.0.0.0/1,128.0.0.0/1"),
    ("TRUSTED_PROXIES", "10.0.0.0/8,::ffff:0:0/96"),
    ("TRUSTED_PROXIES", "2000::/3"),
    ("TRUSTED_PROXIES", "0.0.0.0/0.0.0.0"),
    ("WEBHOOK_ALLOW_CIDRS", "0.0.0.0/0"),
    ("WEBHOOK_ALLOW_CIDRS", "0.0.0.0/0:443"),
    ("WEBHOOK_ALLOW_CIDRS", "[::/0]:443"),
    ("WEBHOOK_ALLOW_CIDRS", "64:ff9b::/96"),
    ("WEBHOOK_ALLOW_CIDRS", "127.0.0.1/32:0"),
    # Hosts and addresses.
    ("ALLOWED_HOSTS", "example.com"),
    ("ALLOWED_HOSTS", "portal.example.com:443"),
    ("ALLOWED_HOSTS", "https://portal.example.com"),
    ("ALLOWED_HOSTS", " , "),
    ("PUBLIC_URL", "https://portal.example.com:443"),
    ("PUBLIC_URL", "https://portal.example.com:0"),
    ("PUBLIC_URL", "https://portal.example.com:99999"),
    ("PUBLIC_URL", "https://bücher.example"),
    ("PUBLIC_URL", "https://a:hunter2@portal.example.com"),
    ("PUBLIC_URL", "https://portal.example.com\n" * 2),
    ("DEFAULT_FROM_EMAIL", "none"),
    ("DEFAULT_FROM_EMAIL", "Name <none>"),
    ("DEFAULT_FROM_EMAIL", "Name a@b.example"),
    ("DEFAULT_FROM_EMAIL", "a@b.example, c@d.example"),
    ("DEFAULT_FROM_EMAIL", '"Name <a@b.example>"'),
    ("DEFAULT_FROM_EMAIL", "Name <a@b.example>\nBcc: <c@d.example>"),
    ("MAINTENANCE_FLAG", "/nowhere/at/all/maintenance"),
    ("MAINTENANCE_FLAG", "maintenance"),
    ("MAINTENANCE_FLAG", "/tmp"),
    ("OIDC_ISSUER", "https://login.example.com"),
    ("OIDC_CLIENT_ID", "portal"),
    ("OIDC_CLIENT_SECRET", "hunter2"),
    # Addresses of services: never quoted, as the password may stand anywhere in them.
    ("DATABASE_URL", "postgres://portal:hunter2/x@db:5432/portal"),
    ("DATABASE_URL", "postgres://portal:12/hunter2@db:5432/portal"),
    ("DATABASE_URL", "postgres://portal:12?hunter2@db:5432/portal"),
    ("DATABASE_URL", "postgres://portal:12#hunter2@db:5432/portal"),
    ("DATABASE_URL", "postgres://portal:[hunter2@db:5432/portal"),
    ("DATABASE_URL", "postgres://portal:hunter2@db:port/portal"),
    ("DATABASE_URL", "postgres://portal:hunter2@db:99999/portal"),
    ("DATABASE_URL", "postgres://portal:hunter2@db:5432"),
    ("DATABASE_URL", "postgres://portal:hunter2@db:5432/"),
    ("DATABASE_URL", "sqlite://"),
    ("DATABASE_URL", "sqlite:///"),
    ("DATABASE_URL", "sqlite://var/portal.sqlite3"),
    ("DATABASE_URL", "sqlite:///var/"),
    ("DATABASE_URL", "sqlite:////nowhere/at/all/portal.sqlite3"),
    ("DATABASE_URL", "sqlite:///portal:hunter2@db/portal"),
    ("DATABASE_URL", "postgres://portal:hunter2@db/portal?autocommit=false"),
    ("DATABASE_URL", "postgres://portal:hunter2@db/portal?atomic_requests=true"),
    ("DATABASE_URL", "postgres://portal:hunter2@db/portal?sslmode=yes"),
    ("DATABASE_URL", "postgres://portal:hunter2@db/portal?ssl=true"),
    ("DATABASE_URL", "postgres://portal:hunter2@db/portal?connect_timeout=soon"),
    ("DATABASE_URL", "postgis://portal:hunter2@db/portal"),
    ("REDIS_URL", "redis://:hunter2/x@redis:6379/0"),
    ("REDIS_URL", "redis://:hunter2@redis:port/0"),
    ("REDIS_URL", "redis://:hunter2@redis:6379/first"),
    ("REDIS_URL", "redis://:hunter2@redis:6379/0?socket_timeout=60"),
    ("REDIS_URL", "redis://:hunter2@redis:6379/0?db=one"),
    ("REDIS_URL", "redis://redis:6379/0?ssl_hunter2=1"),
    ("REDIS_URL", "redis://"),
    ("CELERY_BROKER_URL", "redis://:12#hunter2@redis:6379/0"),
    ("CELERY_BROKER_URL", "redis://:hunter2@redis:x/0"),
    ("EMAIL_URL", "smtp+tls://portal:hunter2/x@mail.example.com:587"),
    ("EMAIL_URL", "smtp+tls://portal:hunter2@mail.example.com:port"),
    ("EMAIL_URL", "smtp+tls://portal:12?hunter2@mail.example.com"),
    ("EMAIL_URL", "smtp://mail.example.com?ssl=true"),
    ("EMAIL_URL", "smtp://"),
    ("EMAIL_URL", "filemail://"),
    ("EMAIL_URL", "filemail://var/mail"),
    # Names that are nearly ours.
    ("TRUSTED_PROXY", "10.0.0.0/8"),
    ("METRIC_TOKEN", "hunter2"),
    ("REDIS_URI", "redis://:hunter2@redis:6379/0"),
    ("metrics_token", "hunter2"),
    ("METRICS_TOKENS_FILE", "/hunter2"),
    ("RETENTION_DAYS_CALLS", "30"),
    ("WEBHOOK_TIMEOUT_SECONDS", "30"),
    ("WEBHOOK_ALLOWED_CIDRS", "10.0.0.0/8"),
    ("API_CALLS_LOG", "stream"),
    ("PORTAL_TRUSTED_PROXIES", "10.0.0.0/8"),
    ("DJANGO_DEBUG", "true"),
    ("SECRET_KEY", f"'{SIGNING}'"),
    ("METRICS_TOKEN", '"0123456789abcdef"'),
    ("ALLOWED_HOSTS", "portal.example.com,.com"),
    ("REDIS_URL", "unix://"),
]


@pytest.mark.parametrize(("name", "value"), WRONG, ids=lambda text: text[:40])
def test_a_wrong_value_stops_the_start_and_is_named(read, name, value):
    check_refused(read, name, **{name: value})


LOCAL = {"PUBLIC_URL": "http://localhost:8000", "ALLOWED_HOSTS": None}


@pytest.mark.parametrize(
    ("changes", "name", "value"),
    [
        ({**LOCAL, "DEBUG": "Yes"}, "DEBUG", True),
        ({"DEBUG": ""}, "DEBUG", False),
        ({}, "DEBUG", False),
        ({"PUBLIC_URL": "https://portal.example.com/"}, "PUBLIC_URL", "https://portal.example.com"),
        (LOCAL, "ALLOWED_HOSTS", ["localhost"]),
        ({}, "SESSION_COOKIE_NAME", "__Host-session"),
        (LOCAL, "SESSION_COOKIE_NAME", "session"),
        ({}, "CSRF_COOKIE_SECURE", True),
        (LOCAL, "CSRF_COOKIE_SECURE", False),
        ({}, "SECURE_HSTS_SECONDS", 31_536_000),
        (LOCAL, "SECURE_HSTS_SECONDS", 0),
        ({}, "SECURE_HSTS_INCLUDE_SUBDOMAINS", False),
        ({"HSTS_SUBDOMAINS": "true"}, "SECURE_HSTS_INCLUDE_SUBDOMAINS", True),
        ({"HSTS_SUBDOMAINS": "true"}, "SECURE_HSTS_PRELOAD", False),
        ({"HSTS_SUBDOMAINS": "true", "HSTS_PRELOAD": "true"}, "SECURE_HSTS_PRELOAD", True),
        ({}, "RATE_LIMIT_DEFAULTS", {"minute": 100, "hour": 5000}),
        ({"RATE_LIMIT_DEFAULTS": "7/hour"}, "RATE_LIMIT_DEFAULTS", {"hour": 7}),
        ({}, "WEBHOOK_ALLOW_CIDRS", ()),
        ({}, "AUTH_FAILURES_PER_MINUTE", 60),
        ({"ENCRYPTION_KEYS": f" b:{KEY} ,\n a:{KEY} "}, "ENCRYPTION_KEYS", dict.fromkeys("ba", base64.b64decode(KEY))),
        (
            {"ENCRYPTION_KEYS": f"b:{KEY},a:{base64.b64encode(b'A' * 32).decode()}"},
            "ENCRYPTION_KEYS",
            {"b": base64.b64decode(KEY), "a": b"A" * 32},
        ),
        ({"WEBHOOK_RETRY_SCHEDULE": "1, 2"}, "WEBHOOK_RETRY_SCHEDULE", (1, 2)),
        ({"PUBLIC_URL": "http://[::1]:8000", "ALLOWED_HOSTS": None}, "ALLOWED_HOSTS", ["[::1]"]),
        ({"ALLOWED_HOSTS": ".example.com"}, "ALLOWED_HOSTS", [".example.com"]),
        ({"ALLOWED_HOSTS": "10.0.0.5,Portal.example.com"}, "ALLOWED_HOSTS", ["10.0.0.5", "Portal.example.com"]),
        ({}, "DEFAULT_FROM_EMAIL", "integrations@portal.example.com"),
        ({"DEFAULT_FROM_EMAIL": "Ünser Name <a@b.example>"}, "DEFAULT_FROM_EMAIL", "Ünser Name <a@b.example>"),
        ({"DEFAULT_FROM_EMAIL": "a@b.example"}, "DEFAULT_FROM_EMAIL", "a@b.example"),
        ({"EMAIL_URL": "filemail:///srv/my%20mail"}, "EMAIL_FILE_PATH", "/srv/my mail"),
        ({"EMAIL_URL": "filemail:////srv/mail"}, "EMAIL_FILE_PATH", "/srv/mail"),
        ({"EMAIL_URL": "smtp+tls://a:p%2Fw@mail.example.com:587"}, "EMAIL_HOST_PASSWORD", "p/w"),
        ({}, "EMAIL_BACKEND", "apps.orgs.mail.backends.NoMail"),
        (LOCAL, "EMAIL_BACKEND", "django.core.mail.backends.console.EmailBackend"),
        (
            {"REDIS_URL": "rediss://:p%40w@redis:6379/2?ssl_cert_reqs=none"},
            "REDIS_URL",
            "rediss://:p%40w@redis:6379/2?ssl_cert_reqs=none",
        ),
        ({"REDIS_URL": "unix:///run/redis.sock?db=1"}, "REDIS_URL", "unix:///run/redis.sock?db=1"),
        ({"MAINTENANCE_FLAG": "/tmp/maintenance"}, "MAINTENANCE_FLAG", "/tmp/maintenance"),
        ({"METRICS_TOKEN": "f3a9c05be17d2846"}, "METRICS_TOKEN", "f3a9c05be17d2846"),
        ({"LOG_LEVEL": "warning"}, "LOG_LEVEL", "WARNING"),
        # Somebody else's variables.
        (
            {
                "DEBUG_COLORS": "1",
                "EMAIL_USER": "a",
                "ALLOWED_PORTS": "1",
                "WEBHOOK_URL": "x",
                "SECRET_KEY_BASE": "x",
                "LOG_FILE": "x",
                "REDIS_PORT": "tcp://10.0.0.1:6379",
                "REDIS_HOST": "x",
                "PUBLIC_KEY": "x",
                "POSTGRES_PASSWORD": "hunter2",
                "DATABASE_URI": "x",
                "TEST_DATABASE_URL": "x",
            },
            "DEBUG",
            False,
        ),
        ({"REDIS_URI": "x", "REDIS_URL": ""}, "REDIS_URL", ""),
        ({"TRUSTED_PROXIES": "10.0.0.0/8,fd00::/8,2600:9000::/28"}, "HTTPS", True),
    ],
)
def test_right_values_are_read(read, changes, name, value):
    assert read(**changes)["settings"][name] == repr(value)


FRESH = GOOD["SECRET_KEY"][::-1]


def test_a_value_may_stand_in_a_file(read, tmp_path):
    file = tmp_path / "secret"
    file.write_text("\ufeff" + FRESH + " \n")
    assert read(SECRET_KEY=None, SECRET_KEY_FILE=str(file))["settings"]["SECRET_KEY"] == repr(FRESH)


def test_a_value_stands_in_one_place_only(read, tmp_path):
    file = tmp_path / "secret"
    file.write_text(FRESH)
    check_refused(read, "SECRET_KEY_FILE", SECRET_KEY_FILE=str(file))
    assert read(SECRET_KEY="", SECRET_KEY_FILE=str(file))["settings"]["SECRET_KEY"] == repr(FRESH)
    file.write_bytes(b"\xff\xfe" * 40)
    check_refused(read, "SECRET_KEY_FILE", SECRET_KEY=None, SECRET_KEY_FILE=str(file))
    check_refused(read, "SECRET_KEY_FILE", SECRET_KEY=None, SECRET_KEY_FILE=str(tmp_path))


def test_a_value_that_looks_like_a_reference_is_itself(read):
    """django-environ would look up a variable of that name, and say which one it missed."""
    key = "$" + FRESH
    assert read(SECRET_KEY=key)["settings"]["SECRET_KEY"] == repr(key)


def test_a_missing_variable_names_the_one_that_may_have_been_meant(read):
    answer = read(SECRET_KEY=None, SECRETKEY="x")
    assert "SECRETKEY is set: is it misspelled?" in answer["text"]


def test_debug_is_refused_in_public(read):
    check_refused(read, "DEBUG", DEBUG="true")


@pytest.mark.parametrize(
    "options",
    [
        "sslmode=verify-full&sslrootcert=/etc/ca.pem",
        "connect_timeout=5",
        "target_session_attrs=read-write",
        "hostaddr=192.0.2.1",
    ],
)
def test_options_of_libpq_are_taken(read, options):
    """Nothing is connected to: the address is one that nobody has."""
    option, _, value = options.partition("&")[0].partition("=")
    settings = read(DATABASE_URL=f"postgres://portal:word@192.0.2.1/portal?{options}")["settings"]
    assert ast.literal_eval(settings["DATABASES"])["default"]["OPTIONS"][option] == (5 if value == "5" else value)


def test_the_folder_of_the_project_is_made(tmp_path):
    assert database_file("DATABASE_URL", tmp_path / "var/portal.sqlite3", tmp_path / "var").endswith("portal.sqlite3")
    assert (tmp_path / "var").stat().st_mode & 0o777 == 0o700


def test_several_hosts_of_postgresql_are_taken(read):
    url = "postgres://portal:word@one:5432,two:5433/portal"
    assert "'HOST': 'one,two'" in read(DATABASE_URL=url)["settings"]["DATABASES"]
    check_refused(read, "DATABASE_URL", DATABASE_URL="postgres://portal:hunter2@one:5432,two:x/portal")


def test_a_file_that_is_not_there_stops_the_start_and_is_named(read, tmp_path):
    check_refused(read, "SECRET_KEY_FILE", SECRET_KEY=None, SECRET_KEY_FILE=str(tmp_path / "nothing"))


WRONG_START = {"DATABASE_URL": "postgres://portal:12/hunter2@db:5432/portal"}


@pytest.mark.parametrize(
    "command", [["manage.py", "worker"], ["manage.py", "migrate"], ["-m", "granian"]], ids=" ".join
)
def test_no_program_starts_and_each_says_the_one_sentence(command):
    words = ["--interface", "wsgi", "--port", str(free_port()), "integrations_portal.wsgi:application"]
    done = subprocess.run(
        [sys.executable, *command, *(words if "granian" in command else [])], cwd=ROOT, capture_output=True, text=True,
        env={**environment(**WRONG_START), "PATH": os.environ["PATH"]}, timeout=60,
    )  # fmt: skip
    assert done.returncode != 0 and "DATABASE_URL cannot be taken apart" in done.stderr
    assert "Traceback" not in done.stderr and "hunter2" not in done.stderr + done.stdout


def test_check_tells_that_no_mail_leaves():
    done = subprocess.run(
        [sys.executable, "manage.py", "check"], cwd=ROOT, env={**environment(), "PATH": os.environ["PATH"]},
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0 and "EMAIL_URL is not set" in done.stderr

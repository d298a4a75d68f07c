"""The demo's settings and generated secrets, stored in `var/demo.env` and shared with the other commands.

Standard library only: this runs before Django does, because Django's settings are read from the environment.
"""

import base64
import fcntl
import os
import secrets
import sys
from argparse import Namespace
from pathlib import Path
from urllib.parse import quote

from integrations_portal.demo import web_server
from integrations_portal.launcher.bootstrap import exclusive_lock

VAR = Path(__file__).resolve().parents[2] / "var"
FILE = VAR / "demo.env"
DATABASE = VAR / "demo.sqlite3"
MAIL = VAR / "mail"
# The demo's API key: reused at each start, because users have it in shells and programs.
KEY_FILE = VAR / "demo.key"
# Locked by the running demo (management/commands/demo.py).
RUNNING_FILE = VAR / "demo.running"
HTTP_PORT = 80
FILE_HEADER = "# Written by `manage.py demo`, read by other commands where no settings are given. Keep it secret.\n"


def load(is_help: bool = False) -> None:
    """Put the demo's settings into the environment, where that names neither a database nor a secret key.

    ``is_help``: fill missing settings with placeholders, because help needs no data.
    """
    if not any(is_set(name) for name in ("DATABASE_URL", "SECRET_KEY")) and os.access(FILE, os.R_OK):
        set_defaults({**read(), **path_settings()})
    if is_help:
        set_defaults({**generated(), "DATABASE_URL": "sqlite://:memory:", "PUBLIC_URL": local_url(8000)})


def prepare(options: Namespace) -> None:
    """Create the demo's settings where there are none yet, and put them into the environment.

    The database is always the demo's own; other variables of the environment override the file.
    """
    try:
        with exclusive_lock("demo.lock"):
            refuse_while_running()
            if options.reset:
                delete_files()
            values = refresh_settings(os.environ.get("PUBLIC_URL") or local_url(options.port))
    except OSError as problem:
        sys.exit(f"The demo cannot keep its settings: {problem}.")
    use_demo_database(values["DATABASE_URL"])
    set_defaults(values)
    web_server.start(options.port)


def local_url(port: int) -> str:
    """Return the demo's URL, with a host name, because browsers allow passkeys for names only."""
    return "http://localhost" + (f":{port}" if port != HTTP_PORT else "")


def refuse_while_running() -> None:
    """Exit where the demo of this folder is running: its database and URL must not change."""
    RUNNING_FILE.touch()
    with open(RUNNING_FILE, encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.exit(f"The demo of this folder is running already, on port {lock.read()}: stop that one first.")


def refresh_settings(public_url: str) -> dict[str, str]:
    """Write and return the settings: secrets are preserved, paths and URL updated."""
    if DATABASE.exists() and not FILE.exists():
        sys.exit(f"{FILE} is gone, and {DATABASE} cannot be read without its secrets: start with --reset.")
    VAR.chmod(0o700)
    values = {**generated(), **read(), **path_settings(), "PUBLIC_URL": " ".join(public_url.split())}
    write(values)
    return values


def is_set(name: str) -> bool:
    """Return whether the environment has this setting, directly or by ``_FILE``."""
    return bool(os.environ.get(name) or os.environ.get(f"{name}_FILE"))


def set_defaults(values: dict[str, str]) -> None:
    """Set variables that the environment does not have."""
    for name, value in values.items():
        if f"{name}_FILE" not in os.environ:
            os.environ.setdefault(name, value)


def use_demo_database(url: str) -> None:
    """Set the demo's database in the environment, with a message where there was another."""
    given = {name: os.environ.pop(name, "") for name in ("DATABASE_URL", "DATABASE_URL_FILE")}
    if any(value not in ("", url) for value in given.values()):
        print(f"The demo uses {DATABASE}; DATABASE_URL of the environment is left alone.", file=sys.stderr)
    os.environ["DATABASE_URL"] = url


def delete_files() -> None:
    """Remove the demo's database and secrets."""
    for file in (
        *(Path(f"{DATABASE}{end}") for end in ("", "-wal", "-shm", "-journal")),
        FILE,
        KEY_FILE,
        web_server.SCHEMA_FILE,
    ):
        file.unlink(missing_ok=True)


def generated() -> dict[str, str]:
    """Generate the settings of a new demo."""
    return {
        "DEBUG": "false",
        "SECRET_KEY": secrets.token_urlsafe(50),
        "ENCRYPTION_KEYS": f"k1:{random_key()}",
        "KEY_PEPPERS": f"p1:{random_key()}",
        "AUDIT_SIGNING_KEY": random_key(),
        "METRICS_TOKEN": secrets.token_urlsafe(32),
        "ALLOWED_HOSTS": "127.0.0.1,localhost,[::1]",
        "WEBHOOK_ALLOW_CIDRS": "127.0.0.1/32",
    }


def random_key() -> str:
    """Return 32 random bytes as base64."""
    return base64.b64encode(secrets.token_bytes(32)).decode()


def path_settings() -> dict[str, str]:
    """Return the settings with paths, which are never read from the file, because the folder can move."""
    # An absolute path adds a slash: `sqlite:////…`. Quoted, because these are parsed as URLs.
    return {
        "DATABASE_URL": f"sqlite:///{quote(str(DATABASE))}",
        "EMAIL_URL": f"filemail:///{quote(str(MAIL))}",
    }


def read() -> dict[str, str]:
    """Return the file's settings, empty where there is no file."""
    if not FILE.exists():
        return {}
    lines = (line.strip() for line in FILE.read_text(encoding="utf-8").splitlines())
    pairs = (line.partition("=") for line in lines if line and not line.startswith("#"))
    return {name.strip(): value.strip() for name, _, value in pairs}


def write(values: dict[str, str]) -> None:
    """Write the settings."""
    write_private(FILE, FILE_HEADER + "".join(f"{name}={value}\n" for name, value in values.items()))


def write_private(file: Path, text: str) -> None:
    """Write a file atomically, readable by its owner only."""
    draft = file.with_name(f"{file.name}.draft")
    draft.unlink(missing_ok=True)
    private = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(private, "w", encoding="utf-8") as opened:
        opened.write(text)
        opened.flush()
        os.fsync(opened.fileno())
    os.replace(draft, file)

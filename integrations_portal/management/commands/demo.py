"""The whole portal on this machine, with something to look at: `manage.py demo`."""

import contextlib
import fcntl
import http.client
import json
import signal
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connections
from django.utils.module_loading import import_string

from integrations_portal.demo import database, early, people
from integrations_portal.demo.processes import Died, Processes
from integrations_portal.demo.receiver import follow_port, receiver_secrets

HOST = "127.0.0.1"
HIGHEST_PORT = 65533
READY_SECONDS = 60.0
LOOK_SECONDS, WATCH_SECONDS = 0.03, 0.3
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
LOCK = "demo.running"
# Imported only when needed: they take longer than all the rest, and the web server need not wait for them.
SEED = "integrations_portal.demo.seeding.seed"
FRESH_KEY = "integrations_portal.demo.fresh_key.fresh_key"


class Command(BaseCommand):
    help = "Fill a SQLite database in var/ once, and serve the whole portal from it on this machine until Ctrl-C."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """This will take the port; --reset was done before Django started (demo_environment.py)."""
        parser.add_argument("--port", type=int, default=8000, help="the portal's; its receiver takes the next one")
        parser.add_argument("--reset", action="store_true", help="forget the demo's data and start over")
        parser.add_argument("--json", action="store_true", help="print one JSON line when serving, and nothing else")

    def handle(self, *args: Any, **options: Any) -> None:
        """This will serve until a signal comes; what goes wrong becomes one sentence and exit code 1."""
        processes = early.processes
        for number in SIGNALS:
            signal.signal(number, _interrupt)
        with alone(settings.BASE_DIR / "var" / LOCK, options["port"]):
            try:
                self._serve(processes, options["port"], options["json"])
            except KeyboardInterrupt:
                say("Stopping …")
            except Died as death:
                raise CommandError(str(death)) from None
            finally:
                for number in SIGNALS:
                    signal.signal(number, signal.SIG_IGN)
                processes.stop()

    def _serve(self, processes: Processes, port: int, as_json: bool) -> None:
        if not 1 <= port <= HIGHEST_PORT:
            raise CommandError(f"--port must be from 1 to {HIGHEST_PORT}.")
        if not processes.has(early.WEB):
            refuse_taken(port, "portal")
        refuse_taken(port + 1, "webhook receiver")
        with contextlib.redirect_stdout(sys.stderr):
            prepare(port)
            environment = early.environment()
            if not processes.has(early.WEB):
                early.start_web(port)
            key = import_string(FRESH_KEY)()
            start_receiver(processes, port, environment)
            connections.close_all()
            wait_until_ready(processes, port)
            # Last: it would only take the processor from the web server, for which people wait.
            processes.start("worker", ["manage.py", "worker"], environment)
        tell_as_json(key) if as_json else tell(key, port)
        while True:
            processes.check()
            time.sleep(WATCH_SECONDS)


def say(sentence: str) -> None:
    """This will tell people what goes on; stdout is for the result."""
    print(sentence, file=sys.stderr, flush=True)


def _interrupt(number: int, _frame: Any) -> NoReturn:
    raise KeyboardInterrupt


@contextlib.contextmanager
def alone(path: Path, port: int) -> Iterator[None]:
    """This will refuse a second demo on the same data while one is running, and name that one's port."""
    with open(path, "a+") as held:
        held.seek(0)
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sentence = f"The demo of this folder is running already, on port {held.read()}: stop that one first."
            raise CommandError(sentence) from None
        held.truncate()
        held.write(str(port))
        held.flush()
        yield


def refuse_taken(port: int, whose: str) -> None:
    """This will raise CommandError where somebody listens on a port that the demo needs."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as problem:
            sentence = f"Port {port} for the {whose} cannot be used ({problem.strerror}): choose another with --port."
            raise CommandError(sentence) from None


def prepare(port: int) -> None:
    """This will bring the database up to date, fill it the first time, and let its endpoints follow the port."""
    settings.STATIC_ROOT.mkdir(exist_ok=True)
    database.migrate()
    if not database.is_seeded():
        say("Writing thirty days of calls and deliveries …")
        import_string(SEED)(port)
    early.note_schema()
    follow_port(port)
    if settings.WEBHOOK_ALLOW_CIDRS:
        allowed = ", ".join(str(network) for network, _port in settings.WEBHOOK_ALLOW_CIDRS)
        say(f"Webhooks may go to {allowed} (WEBHOOK_ALLOW_CIDRS): right for a demo, not for a portal on a network.")


def start_receiver(processes: Processes, port: int, environment: dict[str, str]) -> None:
    """This will start the webhook receiver, on the port after the portal's."""
    secrets = [word for secret in receiver_secrets(port) for word in ("--secret", secret)]
    processes.start("webhook receiver", ["manage.py", "listen", "--port", str(port + 1), *secrets], environment)


def wait_until_ready(processes: Processes, port: int) -> None:
    """This will return as soon as the portal says that it can serve."""
    give_up_at = time.monotonic() + READY_SECONDS
    while not is_ready(port):
        processes.check()
        if time.monotonic() > give_up_at:
            raise Died(f"The portal did not become ready within {READY_SECONDS:.0f} s; everything was stopped.")
        time.sleep(LOOK_SECONDS)


def is_ready(port: int) -> bool:
    """This will tell whether ``/readyz`` answers 200."""
    asking = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        asking.request("GET", "/readyz", headers={"Host": urlsplit(settings.PUBLIC_URL).netloc})
        return asking.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        asking.close()


def tell_as_json(key: str) -> None:
    """This will print the one line that programs wait for."""
    print(json.dumps({"url": settings.PUBLIC_URL, "logins": people.logins(), "api_key": key}), flush=True)


def tell(key: str, port: int) -> None:
    """This will print where the portal is and how to get in."""
    rows = [
        f"  {each['email']:<26}{each['password']:<16}{each['role']}, {each['organization']}" for each in people.logins()
    ]
    lines = [
        f"The portal is at {settings.PUBLIC_URL} until Ctrl-C.",
        "",
        "Sign in as",
        *rows,
        "",
        "An API key of Acme Travel, new at each start; the last one no longer works:",
        f"  {key}",
        "",
        f'  curl {settings.PUBLIC_URL}/v1/me -H "Authorization: Bearer {key}"',
        "",
        "Webhooks arrive at the built-in receiver and are printed here. It answers 200; it can also fail or be slow:",
        f"  curl http://{HOST}:{port + 1}/mode/503    (or /mode/slow; /mode/ok again)",
    ]
    print("\n".join(lines), flush=True)

"""`manage.py demo`: run the whole portal on this machine with example data."""

import contextlib
import fcntl
import gc
import http.client
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connections
from django.utils.module_loading import import_string

from apps.orgs.models import Organization
from integrations_portal.database.migration_locks import is_migrated
from integrations_portal.demo import users, web_server
from integrations_portal.demo.processes import Processes, ProcessExited
from integrations_portal.demo.receiver import receiver_secrets, update_local_urls
from integrations_portal.launcher import signals, usage

HOST = "127.0.0.1"
READY_SECONDS = 60.0
POLL_SECONDS, WATCH_SECONDS = 0.03, 0.3
LOCK = "demo.running"
WORKER_SECONDS = "0.5"  # grace for requests in flight; less than the reaper waits
# Imported only when needed: they take longer than all the rest, and the web server does not need them.
SEED = "integrations_portal.demo.seeding.seed"
DEMO_KEY = "integrations_portal.demo.api_key.demo_key"


class Command(BaseCommand):
    help = usage.DEMO_HELP
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the demo's options; --reset was handled before Django started (demo/environment.py)."""
        usage.add_demo_options(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Serve until a signal arrives; failures raise CommandError."""
        signals.raise_on_signals()
        with single_instance(settings.BASE_DIR / "var" / LOCK, options["port"]):
            try:
                self._serve(web_server.processes, options["port"], options["json"])
            except KeyboardInterrupt:
                print_status(
                    "\nStopping …" if sys.stderr.isatty() else "Stopping …"
                )  # the terminal has just written ^C
            except ProcessExited as error:
                raise CommandError(str(error)) from None
            finally:
                signals.ignore()
                web_server.processes.stop()
                gc.freeze()  # skips the final garbage collection, which took longer than the stop itself

    def _serve(self, processes: Processes, port: int, as_json: bool) -> None:
        if not processes.has(web_server.WEB):
            check_port_free(port, "portal")
            check_port_free(port + 1, "webhook receiver")
        with contextlib.redirect_stdout(sys.stderr):
            prepare(port)
            environment = web_server.environment()
            if not processes.has(web_server.WEB):
                web_server.start_web(port)
            key = import_string(DEMO_KEY)()
            start_receiver(processes, port, environment)
            connections.close_all()
            wait_until_ready(processes, port)
            # Last, so that it does not slow down the start of the web server.
            processes.start("worker", ["manage.py", "worker", "--grace", WORKER_SECONDS], environment)
        print_json(key) if as_json else print_summary(key, port)
        while True:
            processes.check()
            time.sleep(WATCH_SECONDS)


def print_status(sentence: str) -> None:
    """Print progress to stderr; stdout is for the result."""
    print(sentence, file=sys.stderr, flush=True)


@contextlib.contextmanager
def single_instance(path: Path, port: int) -> Iterator[None]:
    """Hold the demo's lock; raise CommandError with the other's port if a demo already runs on the same data."""
    with open(path, "a+") as lock:
        lock.seek(0)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sentence = f"The demo of this folder is running already, on port {lock.read()}: stop that one first."
            raise CommandError(sentence) from None
        lock.truncate()
        lock.write(str(port))
        lock.flush()
        yield


def check_port_free(port: int, purpose: str) -> None:
    """Raise CommandError if a port that the demo needs cannot be used."""
    if problem := web_server.port_problem(port):
        raise CommandError(f"Port {port} for the {purpose} cannot be used ({problem}): choose another with --port.")


def prepare(port: int) -> None:
    """Migrate the database, seed it the first time, and adapt its endpoints to the port."""
    settings.STATIC_ROOT.mkdir(exist_ok=True)
    if not is_migrated():
        call_command("migrate", interactive=False, verbosity=0)
    # The example data are written in one transaction.
    if not Organization.objects.filter(slug=users.ACME).exists():
        print_status("Writing thirty days of calls and deliveries …")
        import_string(SEED)(port)
    web_server.record_schema()
    update_local_urls(port)


def start_receiver(processes: Processes, port: int, environment: dict[str, str]) -> None:
    """Start the webhook receiver, on the port after the portal's."""
    secrets = [word for secret in receiver_secrets(port) for word in ("--secret", secret)]
    arguments = ["manage.py", "listen", "--brief", "--port", str(port + 1), *secrets]
    processes.start("webhook receiver", arguments, environment)


def wait_until_ready(processes: Processes, port: int) -> None:
    """Wait until ``/readyz`` returns 200; raise ProcessExited after ``READY_SECONDS``."""
    deadline = time.monotonic() + READY_SECONDS
    while not is_ready(port):
        processes.check()
        if time.monotonic() > deadline:
            raise ProcessExited(
                f"The portal did not become ready within {READY_SECONDS:.0f} s; everything was stopped."
            )
        time.sleep(POLL_SECONDS)


def is_ready(port: int) -> bool:
    """Return whether ``/readyz`` returns 200."""
    client = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        client.request("GET", "/readyz", headers={"Host": urlsplit(settings.PUBLIC_URL).netloc})
        return client.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        client.close()


def print_json(key: str) -> None:
    """Print the URL, logins and API key as one line of JSON."""
    print(json.dumps({"url": settings.PUBLIC_URL, "logins": users.logins(), "api_key": key}), flush=True)


def print_summary(key: str, port: int) -> None:
    """Print the URL, API key and logins; the logins last, so that they stay visible on the screen."""
    rows = [
        f"  {each['email']:<26}{each['password']:<16}{each['role']}, {each['organization']}" for each in users.logins()
    ]
    allowed = ", ".join(str(network) for network, _port in settings.WEBHOOK_ALLOW_CIDRS)
    private = f"  Endpoints may be at {allowed} in this demo only: WEBHOOK_ALLOW_CIDRS in docs/configure.md."
    lines = [
        f"The portal is at {settings.PUBLIC_URL} until Ctrl-C.",
        "",
        "An API key of Acme Travel, the same at each start:",
        f"  {key}",
        f'  curl {settings.PUBLIC_URL}/v1/me -H "Authorization: Bearer {key}"',
        "",
        "Webhooks to the built-in receiver are verified and listed below. It answers 200; make it fail or slow:",
        f"  curl http://{HOST}:{port + 1}/mode/503    (or /mode/slow; /mode/ok again)",
        *([private] if allowed else []),
        "",
        f"Sign in at {settings.PUBLIC_URL} as",
        *rows,
    ]
    print("\n".join(lines), flush=True)

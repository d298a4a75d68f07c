"""``manage.py worker``: run the delivery engine and the periodic jobs, with Celery if a broker is configured."""

import logging
import os
import signal
import socket
import sys
import threading
import time
from contextlib import suppress
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from django.db import DatabaseError
from django.utils.module_loading import import_string

from apps.base.crypto.reencryption import undecryptable_values
from apps.base.extension_points import periodic_jobs
from apps.base.telemetry.logging import log_uncaught_exceptions
from apps.webhooks.engine.loop import GRACE_SECONDS, POLL_SECONDS, Engine
from apps.webhooks.stats import counters
from integrations_portal import checks
from integrations_portal.database import poolers
from integrations_portal.database.migration_locks import is_migrated

logger = logging.getLogger(__name__)

# With a broker, worker notifications wake the engine; polling only makes up for lost ones.
POLL_WITH_BROKER_SECONDS = 2.0
LISTENER, STOP_LISTENING = "integrations_portal.celery_worker.Listener", "integrations_portal.celery_worker.stop"
RESTART_SECONDS = 5.0


class Command(BaseCommand):
    """Delivers webhooks and does the portal's periodic work until it is stopped."""

    help = "Runs the delivery engine: under Celery where CELERY_BROKER_URL is set, alone otherwise."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Add ``--once`` and ``--grace``."""
        parser.add_argument("--once", action="store_true", help="deliver what is due now, run each sweep once, return")
        parser.add_argument(
            "--grace", type=float, default=GRACE_SECONDS, metavar="SECONDS",
            help="how long a stop waits for requests in flight; the rest is given back (%(default)s)",
        )  # fmt: skip

    def handle(self, *args: Any, once: bool, grace: float = GRACE_SECONDS, **options: Any) -> None:
        """Run until SIGTERM or SIGINT, or once."""
        log_uncaught_exceptions()
        exit_unless_migrated()
        report_undecryptable_secrets()
        report_pooler_problem()
        if not checks.sends_mail():
            logger.warning(checks.NO_MAIL)
        if once:
            self._run_once()
        else:
            Worker(grace).run()

    def _run_once(self) -> None:
        periodic_jobs.run_all(counters.record_job_run)
        counts = Engine(worker_name()).run_until_idle()
        counters.flush()
        self.stdout.write(" ".join(f"{name}={count}" for name, count in counts.items()))


class Worker:
    """One worker process: engine and periodic jobs on threads; Celery, or waiting, on the main thread."""

    def __init__(self, grace_seconds: float = GRACE_SECONDS) -> None:
        self.stop_event = threading.Event()
        poll = POLL_WITH_BROKER_SECONDS if settings.CELERY_BROKER_URL else POLL_SECONDS
        self.engine = Engine(worker_name(), self.stop_event, poll_seconds=poll, grace_seconds=grace_seconds)

    def run(self) -> None:
        """Run until a signal arrives and the engine has finished the requests in flight."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        engine = threading.Thread(target=self._run_engine, name="delivery")
        engine.start()
        periodic_jobs.PeriodicJobRunner(self.stop_event, counters.record_job_run).start()
        logger.info("worker %s started", self.engine.worker_id)
        if settings.CELERY_BROKER_URL:
            self._run_celery()
        else:
            self._wait_for_signal()
        self.engine.stop()
        engine.join()
        self._write_counters()
        logger.info("worker %s stopped", self.engine.worker_id)

    def _stop(self, *_signal: Any) -> None:
        self.stop_event.set()
        if settings.CELERY_BROKER_URL:
            self.engine.stop()
            import_string(STOP_LISTENING)()

    def _run_engine(self) -> None:
        try:
            self.engine.run_forever()
        finally:
            if not self.stop_event.is_set():
                # The engine's thread must not end on its own: exit, so that the supervisor restarts the process.
                logger.critical("the delivery engine ended unexpectedly")
                os.kill(os.getpid(), signal.SIGTERM)

    def _write_counters(self) -> None:
        """Write the counters of the last seconds; they are lost without a database."""
        try:
            counters.flush()
        except DatabaseError:
            logger.warning("the last counters could not be written")

    def _wait_for_signal(self) -> None:
        while not self.stop_event.wait(3600):
            pass

    def _run_celery(self) -> None:
        """Receive worker notifications. The engine also polls, so an unavailable broker only costs latency."""
        listener = import_string(LISTENER)
        while not self.stop_event.is_set():
            try:
                listener(worker_name()).start()
            except (SystemExit, KeyboardInterrupt):
                return
            except Exception:
                logger.exception("celery ended; it is started anew, deliveries go on meanwhile")
            if not self.stop_event.is_set():
                time.sleep(RESTART_SECONDS)


def exit_unless_migrated() -> None:
    """Log and exit with 1 if migrations of this version are missing."""
    with suppress(DatabaseError):  # the engine waits for an unavailable database, and logs it
        if not is_migrated():
            logger.critical(
                "The database is not migrated to this version. Run `manage.py migrate`, then start the worker."
            )
            sys.exit(1)


def report_undecryptable_secrets() -> None:
    """Log which stored secrets cannot be decrypted because their key is missing."""
    try:
        counts = undecryptable_values()
    except DatabaseError:
        return  # the engine waits for an unavailable database, and logs it
    for key_id, count in counts.items():
        logger.critical(
            "%s stored secrets are under the encryption key %s, which is not in ENCRYPTION_KEYS: put it back behind "
            "the current one and run rotate_encryption_key. Endpoints and second steps wait until then.", count, key_id,
        )  # fmt: skip


def report_pooler_problem() -> None:
    """Log a setting that is incompatible with the database's pooler."""
    with suppress(DatabaseError):  # the engine waits for an unavailable database, and logs it
        if problem := poolers.prepared_statements_error():
            logger.critical(problem)


def worker_name() -> str:
    """Return the name of the process for logs and leases."""
    return f"portal-{os.getpid()}@{socket.gethostname()}"

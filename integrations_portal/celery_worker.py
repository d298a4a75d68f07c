"""The Celery worker that receives worker notifications, without Celery's signal handlers, banner and log format."""

from typing import Any

from celery import signals
from celery.apps.worker import Worker
from celery.platforms import EX_OK
from celery.worker import state

from integrations_portal.celery import app


def leave_logging_alone(**_options: Any) -> None:
    """Prevent Celery from configuring logging: its handlers write plain text."""


signals.setup_logging.connect(leave_logging_alone, weak=False)


class Listener(Worker):
    """Receives notifications until ``stop`` is called or the broker closes the connection."""

    app = app

    def __init__(self, name: str) -> None:
        super().__init__(  # type: ignore[no-untyped-call]  # Celery has no annotations
            hostname=name,
            loglevel="WARNING",
            without_gossip=True,
            without_mingle=True,
            without_heartbeat=True,
            quiet=True,
        )

    def install_platform_tweaks(self, worker: Any) -> None:
        """Leave signals to ``manage.py worker``: Celery's handlers print plain text."""


def stop() -> None:
    """Stop every listener of this process. Safe to call from a signal handler."""
    state.should_stop = EX_OK  # type: ignore[assignment]  # Celery declares only its initial None

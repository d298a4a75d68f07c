"""Celery's worker as the portal's listens to the bell: no signals, no banner and no log format of its own."""

from typing import Any

from celery import signals
from celery.apps.worker import Worker
from celery.platforms import EX_OK
from celery.worker import state

from integrations_portal.celery import app


def leave_logging_alone(**_options: Any) -> None:
    """Take the set-up of logging from Celery, which gives some loggers handlers that write plain text."""


signals.setup_logging.connect(leave_logging_alone, weak=False)


class Listener(Worker):
    """Listens until ``stop`` is called or the broker ends it."""

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
        """Leave signals to ``manage.py worker``: the handlers of Celery print what they do as plain text."""


def stop() -> None:
    """Have every listener of this process end; it may be called from a handler of a signal."""
    state.should_stop = EX_OK  # type: ignore[assignment]  # Celery declares no more than the None that it starts as

"""The bell: tells workers that something is due. A lost ring costs one poll of the worker, never data.

Engines in this process are woken directly. Others hear it through Celery where CELERY_BROKER_URL is set: one daemon
thread per process sends a message without data, many rings in one, behind a breaker. Whoever rings never waits.
"""

import logging
import os
import threading
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.utils.module_loading import import_string

logger = logging.getLogger(__name__)

CELERY_APP = "integrations_portal.celery.app"
TASK = "webhooks.wake"
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 30.0
MESSAGE_SECONDS = 10

_listeners: list[Callable[[], None]] = []


def notify_workers() -> None:
    """Wake the engines of this process now, and those of others soon."""
    wake_local_engines()
    if settings.CELERY_BROKER_URL:
        _ringer.ring()


def listen(wake: Callable[[], None]) -> None:
    """Have ``wake`` called at each ring; it must return at once and may be called from any thread."""
    _listeners.append(wake)


def stop_listening(wake: Callable[[], None]) -> None:
    """Undo ``listen``."""
    if wake in _listeners:
        _listeners.remove(wake)


def wake_local_engines() -> None:
    """Wake the engines of this process."""
    for wake in tuple(_listeners):
        wake()


class WorkerNotifier:
    """The thread that talks to the broker, made at the first ring of a process and again after a fork."""

    def __init__(self) -> None:
        self._rung = threading.Event()
        self._lock = threading.Lock()
        self._pid = 0
        self._pause = FIRST_PAUSE_SECONDS

    def ring(self) -> None:
        """Set the flag; the thread does the rest."""
        if self._pid != os.getpid():
            self._start()
        self._rung.set()

    def _start(self) -> None:
        with self._lock:
            if self._pid != os.getpid():
                self._pid = os.getpid()
                self._rung = threading.Event()
                threading.Thread(target=self._run, args=(self._rung,), name="bell", daemon=True).start()

    def _run(self, rung: threading.Event) -> None:
        app = import_string(CELERY_APP)
        while True:
            rung.wait()
            rung.clear()
            if not self._send(app):
                # The breaker: workers poll meanwhile. What was rung during the pause is one ring after it.
                threading.Event().wait(self._pause)
                self._pause = min(self._pause * 2, LONGEST_PAUSE_SECONDS)
                rung.set()

    def _send(self, app: Any) -> bool:
        try:
            app.send_task(TASK, ignore_result=True, retry=False, expires=MESSAGE_SECONDS)
        except Exception as error:
            logger.warning("the broker cannot be reached, workers poll instead: %s", error)
            return False
        self._pause = FIRST_PAUSE_SECONDS
        return True


_ringer = WorkerNotifier()

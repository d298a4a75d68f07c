"""Wake workers when a delivery is due. A lost wakeup delays deliveries by one poll interval and loses no data.

Engines in this process are woken directly. If CELERY_BROKER_URL is set, engines of other processes are woken through
Celery: one daemon thread per process sends a task without arguments, merges wakeups, and backs off while the broker is
down. The caller never blocks.
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
MIN_PAUSE_SECONDS = 1.0
MAX_PAUSE_SECONDS = 30.0
MESSAGE_EXPIRES_SECONDS = 10

_listeners: list[Callable[[], None]] = []


def notify_workers() -> None:
    """Wake the engines of this process now, and those of other processes asynchronously."""
    wake_local_engines()
    if settings.CELERY_BROKER_URL:
        _notifier.notify()


def listen(wake: Callable[[], None]) -> None:
    """Call ``wake`` at each wakeup. It must return at once and can be called from any thread."""
    _listeners.append(wake)


def stop_listening(wake: Callable[[], None]) -> None:
    if wake in _listeners:
        _listeners.remove(wake)


def wake_local_engines() -> None:
    for wake in tuple(_listeners):
        wake()


class WorkerNotifier:
    """Sends wakeups to the broker on a thread, which starts at the first wakeup of a process and again after a fork."""

    def __init__(self) -> None:
        self._requested = threading.Event()
        self._lock = threading.Lock()
        self._pid = 0
        self._pause = MIN_PAUSE_SECONDS

    def notify(self) -> None:
        if self._pid != os.getpid():
            self._start()
        self._requested.set()

    def _start(self) -> None:
        with self._lock:
            if self._pid != os.getpid():
                self._pid = os.getpid()
                self._requested = threading.Event()
                threading.Thread(target=self._run, args=(self._requested,), name="worker-notifier", daemon=True).start()

    def _run(self, requested: threading.Event) -> None:
        app = import_string(CELERY_APP)
        while True:
            requested.wait()
            requested.clear()
            if not self._send(app):
                # Meanwhile workers poll. Wakeups during the pause are merged into one.
                threading.Event().wait(self._pause)
                self._pause = min(self._pause * 2, MAX_PAUSE_SECONDS)
                requested.set()

    def _send(self, app: Any) -> bool:
        try:
            app.send_task(TASK, ignore_result=True, retry=False, expires=MESSAGE_EXPIRES_SECONDS)
        except Exception as error:
            logger.warning("the broker cannot be reached, workers poll instead: %s", error)
            return False
        self._pause = MIN_PAUSE_SECONDS
        return True


_notifier = WorkerNotifier()

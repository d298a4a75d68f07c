"""Signal handling of commands that serve until Ctrl-C.

A shell starts background processes (`sh -c '… &'`) with SIGINT ignored, which is inherited, so commands that must end
on Ctrl-C set their handlers explicitly. Standard library only.
"""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def restore_default_handlers() -> None:
    """Restore the default handlers of SIGINT and SIGTERM."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def raise_on_signals() -> None:
    """Raise KeyboardInterrupt on each of SIGNALS; SIGHUP remains ignored under nohup."""
    for signal_number in _handled_signals():
        signal.signal(signal_number, signal.default_int_handler)


def _handled_signals() -> list[signal.Signals]:
    return [each for each in SIGNALS if each != signal.SIGHUP or signal.getsignal(each) != signal.SIG_IGN]


def ignore() -> None:
    """Ignore SIGNALS while the process ends."""
    for signal_number in SIGNALS:
        signal.signal(signal_number, signal.SIG_IGN)


@contextmanager
def interrupt_on_signals() -> Iterator[None]:
    """Raise KeyboardInterrupt on SIGNALS within the block."""
    with handle_signals(signal.default_int_handler, *_handled_signals()):
        yield


@contextmanager
def handle_signals(handler: Callable[[int, FrameType | None], Any], *signal_numbers: signal.Signals) -> Iterator[None]:
    """Handle signals within the block; do nothing outside the main thread, where handlers cannot be set."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {signal_number: signal.signal(signal_number, handler) for signal_number in signal_numbers}
    try:
        yield
    finally:
        for signal_number, previous in before.items():
            signal.signal(signal_number, previous)

"""Signals that end a process, for commands that serve until Ctrl-C.

A shell starts what it puts in the background (`sh -c '… &'`) with SIGINT ignored, and that is inherited: a command that
promises to end on Ctrl-C sets handlers instead of relying on what it finds. Standard library only.
"""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def restore_default_handlers() -> None:
    """Let Ctrl-C and SIGTERM have the effect that they have by default."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def raise_on_signals() -> None:
    """Raise KeyboardInterrupt on each of them; a hang-up stays ignored under nohup, which is there for that."""
    for signal_number in _handled_signals():
        signal.signal(signal_number, signal.default_int_handler)


def _handled_signals() -> list[signal.Signals]:
    return [each for each in SIGNALS if each != signal.SIGHUP or signal.getsignal(each) != signal.SIG_IGN]


def ignore() -> None:
    """Ignore all of them: this process is ending already."""
    for signal_number in SIGNALS:
        signal.signal(signal_number, signal.SIG_IGN)


@contextmanager
def interrupt_on_signals() -> Iterator[None]:
    """Raise KeyboardInterrupt on these signals within the block."""
    with handle_signals(signal.default_int_handler, *_handled_signals()):
        yield


@contextmanager
def handle_signals(handler: Callable[[int, FrameType | None], Any], *signal_numbers: signal.Signals) -> Iterator[None]:
    """Handle signals so within the block. Only a main thread can; others leave it to theirs."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {signal_number: signal.signal(signal_number, handler) for signal_number in signal_numbers}
    try:
        yield
    finally:
        for signal_number, previous in before.items():
            signal.signal(signal_number, previous)

"""The number of request threads of this process, and how many of them can do slow work."""

import os
import sys
from collections.abc import Sequence
from functools import cache

OPTION = "--blocking-threads"
VARIABLE = "GRANIAN_BLOCKING_THREADS"
# The value in docs/run.md, also assumed for other servers.
DEFAULT_THREADS = 4


def configured_threads(arguments: Sequence[str], variable: str) -> int:
    """Return the number of threads that granian's command line or environment variable sets."""
    given = variable
    for index, argument in enumerate(arguments):
        name, equals, value = argument.partition("=")
        if name == OPTION:
            given = value if equals else "".join(arguments[index + 1 : index + 2])
    return int(given) if given.isascii() and given.isdigit() and int(given) else DEFAULT_THREADS


@cache
def web_threads() -> int:
    """Return the number of request threads of this process."""
    return configured_threads(sys.argv, os.environ.get(VARIABLE, ""))


def heavy_thread_limit() -> int:
    """Return how many threads can do heavy work at the same time: half of them."""
    return max(1, web_threads() // 2)


def slow_thread_limit() -> int:
    """Return how many threads can wait for slow request bodies: together with heavy work, never all of them."""
    return max(1, (web_threads() - 1) // 2)

"""How many requests this process can work on at once, and how many of them may take long."""

import os
import sys
from collections.abc import Sequence
from functools import cache

OPTION = "--blocking-threads"
VARIABLE = "GRANIAN_BLOCKING_THREADS"
# As docs/run.md starts it, and for servers that do not say.
USUAL = 4


def configured_threads(words: Sequence[str], variable: str) -> int:
    """Return the number of threads that a command line or the environment gives granian."""
    given = variable
    for index, word in enumerate(words):
        name, equals, value = word.partition("=")
        if name == OPTION:
            given = value if equals else "".join(words[index + 1 : index + 2])
    return int(given) if given.isascii() and given.isdigit() and int(given) else USUAL


@cache
def web_threads() -> int:
    """Return the number of this process's threads that answer requests."""
    return configured_threads(sys.argv, os.environ.get(VARIABLE, ""))


def heavy_thread_limit() -> int:
    """Return how many threads may do heavy work at the same time: half of them."""
    return max(1, web_threads() // 2)


def slow_thread_limit() -> int:
    """Return how many threads may wait for slow bodies: together with heavy work, never all of them."""
    return max(1, (web_threads() - 1) // 2)

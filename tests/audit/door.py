"""A door for tests of the API alone: whoever the test names is the caller."""

from typing import Any

from apps.base.callers import Caller

callers: list[Caller] = []


def authenticate(request: Any) -> Caller | None:
    """This will return the caller that the test put here, or none."""
    return callers[-1] if callers else None

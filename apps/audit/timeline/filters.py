"""Validation of the filters of the audit log."""

import re
from collections.abc import Callable, Container, Mapping
from datetime import datetime
from typing import Any

from apps.audit.timeline.sources import Filters, categories
from apps.audit.vocabulary import SENTENCES
from apps.base.errors import Invalid
from apps.base.web.middleware import REQUEST_ID

# Only the format is checked: an unknown id is valid and matches nothing.
ACTOR = re.compile(r"(?:user|key|sdk)_[0-9A-Za-z]{22}|system", re.ASCII)
KEY = re.compile(r"(?:key|sdk)_[0-9A-Za-z]{22}", re.ASCII)
# An id, the route of a call, the hour of a digest, or the number of a checkpoint.
TARGET = re.compile(
    r"[a-z]{2,4}_[0-9A-Za-z]{22}|/v1(?:/[0-9A-Za-z{}_.*-]+)*|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ|\d{1,19}", re.ASCII
)
MAX_TARGET_LENGTH = 120


def read_filters(given: Mapping[str, str], since: datetime | None, until: datetime | None) -> Filters:
    """Return the filters that a query string names, or raise Invalid naming the first bad parameter."""
    chosen = {name: given[name] for name in CHECKS if name in given}
    for name, text in chosen.items():
        is_valid, wanted = CHECKS[name]
        if not is_valid(text):
            raise Invalid.field(name, f"{name} must be {wanted}.")
    return Filters(since=since, until=until, **chosen)


def is_target(text: str) -> bool:
    """Return whether the text has the format of a target."""
    return len(text) <= MAX_TARGET_LENGTH and TARGET.fullmatch(text) is not None


def _all_in(words: Callable[[], Container[str]]) -> Callable[[str], bool]:
    """Return a check that each word of a comma-separated list is known."""
    return lambda text: all(word in words() for word in text.split(","))


CHECKS: dict[str, tuple[Callable[[str], Any], str]] = {
    "category": (_all_in(categories), "one or more of change, api_call, delivery"),
    "actor": (ACTOR.fullmatch, "the id of a person or key such as user_…, or system"),
    "action": (_all_in(lambda: SENTENCES), "the name of an action such as api_key.revoked"),
    "target": (is_target, "an id such as key_… or ep_…, or the route of a call such as /v1/users"),
    "key": (KEY.fullmatch, "the id of a key such as key_…"),
    "request_id": (REQUEST_ID.fullmatch, "8-64 of A-Z a-z 0-9 . _ -"),
}

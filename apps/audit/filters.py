"""The words that choose rows of the log, checked before a query is made from them."""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from apps.audit.own_sources import KEY_PREFIXES
from apps.audit.sources import Filters, categories
from apps.audit.vocabulary import SENTENCES
from apps.base.errors import Invalid
from apps.base.identifiers import decode
from apps.base.middleware import REQUEST_ID

ACTOR_ID = re.compile(r"[a-z]{2,20}(?:_[0-9A-Za-z]{22})?", re.ASCII)
LONGEST_TEXT = 120


def read_filters(given: Mapping[str, str], since: datetime | None, until: datetime | None) -> Filters:
    """This will return the filters that a query string names, or raise Invalid naming the first bad parameter."""
    chosen = {name: given[name] for name in CHECKS if name in given}
    for name, text in chosen.items():
        is_good, wanted = CHECKS[name]
        if not is_good(text):
            raise Invalid.field(name, f"{name} must be {wanted}.")
    return Filters(since=since, until=until, **chosen)


def _is_key_id(text: str) -> bool:
    return any(decode(prefix, text) is not None for prefix in KEY_PREFIXES)


def _is_text(text: str) -> bool:
    return 0 < len(text) <= LONGEST_TEXT and text.isprintable()


CHECKS: dict[str, tuple[Callable[[str], Any], str]] = {
    "category": (lambda text: text in categories(), "one of change, api_call, delivery"),
    "actor": (ACTOR_ID.fullmatch, "the id of a person or key, or a word such as system"),
    "action": (SENTENCES.__contains__, "the name of an action such as api_key.revoked"),
    "target": (_is_text, f"an id, at most {LONGEST_TEXT} characters"),
    "key": (_is_key_id, "the id of a key"),
    "request_id": (REQUEST_ID.fullmatch, "8-64 of A-Z a-z 0-9 . _ -"),
}

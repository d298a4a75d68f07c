"""Validation of secrets in settings: random, not copied from an example, and each for one purpose.

Error messages name variables and never quote a value.
"""

import base64
import re
from collections.abc import Iterable, Mapping
from itertools import pairwise

from django.core.exceptions import ImproperlyConfigured

MIN_DISTINCT_CHARACTERS = 6
PLACEHOLDERS = re.compile(
    r"(change|replace)[-_ ]?(me|it|this)|placeholder|insecure|your[-_ ]?(own|secret|key|token)|example", re.IGNORECASE
)
# Pieces of this length rarely repeat in random data.
PIECE_LENGTH = 4


def check_secret(name: str, value: str, min_length: int) -> str:
    """Return the value; raise ImproperlyConfigured if it is short, a placeholder or not random."""
    if len(value) < min_length:
        raise ImproperlyConfigured(f"{name} must have at least {min_length} characters.")
    if PLACEHOLDERS.search(value):
        raise ImproperlyConfigured(f"{name} is an example, not a secret: make one of your own (.env.example says how).")
    if len(set(value)) < MIN_DISTINCT_CHARACTERS or _is_predictable(value.encode()):
        raise ImproperlyConfigured(
            f"{name} repeats itself or counts up, so it can be guessed: make a random one (.env.example says how)."
        )
    return value


def check_token(name: str, value: str, min_length: int) -> str:
    """Return a secret that is sent in a header, or an empty string; raise ImproperlyConfigured as ``check_secret``."""
    if value and not re.fullmatch(r"[A-Za-z0-9._~+/=-]+", value):
        raise ImproperlyConfigured(f"{name} must consist of letters A-Z, digits and . _ ~ + / = - only.")
    return check_secret(name, value, min_length) if value else value


def check_key(name: str, key: bytes) -> bytes:
    """Return the key; raise ImproperlyConfigured if it is not random."""
    if _is_predictable(key):
        raise ImproperlyConfigured(f"{name} holds a key that is not random: make one by openssl rand -base64 32.")
    return key


def check_distinct(secrets: Mapping[str, Iterable[str | bytes]]) -> None:
    """Raise ImproperlyConfigured naming two variables with the same secret: a leak of one must not reveal the other."""
    texts = {name: {_as_text(each) for each in values} - {""} for name, values in secrets.items()}
    for index, name in enumerate(texts):
        for other in list(texts)[index + 1 :]:
            if texts[name] & texts[other]:
                raise ImproperlyConfigured(f"{name} and {other} hold the same secret: give each its own.")


def _as_text(secret: str | bytes) -> str:
    return base64.b64encode(secret).decode() if isinstance(secret, bytes) else secret


def _is_predictable(value: bytes) -> bool:
    """Return whether most of a secret repeats itself or counts up or down, unlike random data."""
    pieces = [value[start : start + PIECE_LENGTH] for start in range(len(value) - PIECE_LENGTH + 1)]
    steps = [abs(after - before) for before, after in pairwise(value)]
    return 2 * len(set(pieces)) <= len(pieces) or 2 * steps.count(1) >= len(steps)

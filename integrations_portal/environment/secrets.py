"""Validation of secrets in settings: random, not copied from an example, and each for one purpose.

Error messages name variables and never quote a value.
"""

import base64
import re
from collections.abc import Iterable, Mapping
from itertools import pairwise

from django.core.exceptions import ImproperlyConfigured

LEAST_DIFFERENT = 6
PLACEHOLDERS = re.compile(
    r"(change|replace)[-_ ]?(me|it|this)|placeholder|insecure|your[-_ ]?(own|secret|key|token)|example", re.IGNORECASE
)
# So long are the pieces of which most occur once where characters were drawn.
PIECE = 4


def check_text(name: str, value: str, shortest: int) -> str:
    """Return a secret text, or say why it is none."""
    if len(value) < shortest:
        raise ImproperlyConfigured(f"{name} must have at least {shortest} characters.")
    if PLACEHOLDERS.search(value):
        raise ImproperlyConfigured(f"{name} is an example, not a secret: make one of your own (.env.example says how).")
    if len(set(value)) < LEAST_DIFFERENT or _is_made_up(value.encode()):
        raise ImproperlyConfigured(
            f"{name} repeats itself or counts up, so it can be guessed: make a random one (.env.example says how)."
        )
    return value


def check_token(name: str, value: str, shortest: int) -> str:
    """Return a secret that is sent in a header, or nothing where there is none."""
    if value and not re.fullmatch(r"[A-Za-z0-9._~+/=-]+", value):
        raise ImproperlyConfigured(f"{name} must consist of letters A-Z, digits and . _ ~ + / = - only.")
    return check_text(name, value, shortest) if value else value


def check_key(name: str, key: bytes) -> bytes:
    """Return a key, or say why it is none."""
    if _is_made_up(key):
        raise ImproperlyConfigured(f"{name} holds a key that is not random: make one by openssl rand -base64 32.")
    return key


def check_different(secrets: Mapping[str, Iterable[str | bytes]]) -> None:
    """Say which two variables hold the same secret: learning one must not give the other."""
    written = {name: {_written(each) for each in values} - {""} for name, values in secrets.items()}
    for place, name in enumerate(written):
        for other in list(written)[place + 1 :]:
            if written[name] & written[other]:
                raise ImproperlyConfigured(f"{name} and {other} hold the same secret: give each its own.")


def _written(secret: str | bytes) -> str:
    return base64.b64encode(secret).decode() if isinstance(secret, bytes) else secret


def _is_made_up(value: bytes) -> bool:
    """Return whether most of a secret repeats itself or counts up or down, unlike random data."""
    pieces = [value[start : start + PIECE] for start in range(len(value) - PIECE + 1)]
    steps = [abs(after - before) for before, after in pairwise(value)]
    return 2 * len(set(pieces)) <= len(pieces) or 2 * steps.count(1) >= len(steps)

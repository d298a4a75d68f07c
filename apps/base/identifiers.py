"""Prefixed public ids: a UUID version 7 (RFC 9562 section 5.7) written as 22 letters and digits.

The UUID is the primary key; its text form is derived. Time order in the key keeps inserts at the right edge of the
index.
"""

import secrets
import uuid
from datetime import UTC, datetime

from uuid_utils.compat import uuid7

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
VALUES = {letter: value for value, letter in enumerate(ALPHABET)}
# Two digits at a time: lists write an id per row.
PAIRS = [first + second for first in ALPHABET for second in ALPHABET]
LENGTH = 22


def new_uuid() -> uuid.UUID:
    """Return a new, time-ordered primary key."""
    return uuid7()


def uuid_at(moment: datetime) -> uuid.UUID:
    """Return a UUID v7 of a given time: lists are ordered by key, so a row of the past needs a key of the past.

    The 12 bits after the version hold the fraction of the millisecond (RFC 9562 section 6.2, method 3).
    """
    microseconds = int(moment.timestamp() * 1_000_000)
    fraction = microseconds % 1000 * 4096 // 1000
    return uuid.UUID(int=microseconds // 1000 << 80 | 7 << 76 | fraction << 64 | 2 << 62 | secrets.randbits(62))


def uuid_time(key: uuid.UUID) -> datetime:
    """Return the time of a UUID v7, in whole milliseconds."""
    return datetime.fromtimestamp((key.int >> 80) / 1000, UTC)


class OrderedUuids:
    """Creates UUIDs v7 of given times; those of one millisecond are in the order of the calls in this process.

    Without a lock: the order of two threads that call within a microsecond does not matter.
    """

    def __init__(self) -> None:
        self._stamp = 0

    def at(self, moment: datetime) -> uuid.UUID:
        """Return a key that sorts by its time, after the keys of the same millisecond returned before."""
        number = uuid_at(moment).int
        millisecond, stamp = number >> 80, (number >> 80) << 12 | (number >> 64) & 0xFFF
        if stamp <= self._stamp and self._stamp >> 12 == millisecond:
            stamp = min(self._stamp + 1, millisecond << 12 | 0xFFF)
        self._stamp = stamp
        return uuid.UUID(int=millisecond << 80 | 7 << 76 | (stamp & 0xFFF) << 64 | number & 0xFFFFFFFFFFFFFFFF)


ORDERED_UUIDS = OrderedUuids()


def base62(number: int, length: int) -> str:
    """Return the number in base 62 (digits 0-9A-Za-z), left-padded with 0 to the length."""
    pairs = []
    while number:
        number, pair = divmod(number, 62 * 62)
        pairs.append(PAIRS[pair])
    return "".join(reversed(pairs)).lstrip("0").rjust(length, "0")


def encode(prefix: str, key: uuid.UUID) -> str:
    """Return the public id, such as ``evt_0123…`` for the prefix ``evt``."""
    return f"{prefix}_{base62(key.int, LENGTH)}"


def decode(prefix: str, text: str) -> uuid.UUID | None:
    """Return the key behind a public id, or None where the text is not an id of this kind."""
    head, separator, tail = text.partition("_")
    if head != prefix or not separator or len(tail) != LENGTH:
        return None
    number = 0
    for letter in tail:
        value = VALUES.get(letter)
        if value is None:
            return None
        number = number * 62 + value
    return uuid.UUID(int=number) if number < 1 << 128 else None

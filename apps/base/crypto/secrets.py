"""Keys that are shown once: format, generation and digests; and the password hasher.

Format (docs/api.md, "Keys as text"): prefix ``ipk_`` or ``ips_``, 12 characters of id, 32 of secret, 6 of checksum,
all of ``[0-9A-Za-z]``. The checksum is CRC-32 of everything before it, in base 62: it rejects garbage and typing
errors without a database query. Stored: id, HMAC-SHA256(pepper, whole key), last four characters.
"""

import hashlib
import hmac
import re
import secrets
import zlib
from functools import cache
from typing import NamedTuple

from django.conf import settings
from django.contrib.auth.hashers import Argon2PasswordHasher

from apps.base.concurrency.heavy_work import password_hashing_slot
from apps.base.identifiers import ALPHABET, base62

ID_LENGTH, SECRET_LENGTH, CHECKSUM_LENGTH = 12, 32, 6
KEY = re.compile(r"(ip[ks]_)([0-9A-Za-z]{12})([0-9A-Za-z]{32})([0-9A-Za-z]{6})", re.ASCII)
MASK_DOTS = "••••"


class ParsedKey(NamedTuple):
    """A well-formed key: its prefix, its public id, and the whole key."""

    prefix: str
    key_id: str
    plaintext: str

    @property
    def last_four(self) -> str:
        """The last four characters, which can be shown in lists."""
        return self.plaintext[-4:]


def checksum(text: str) -> str:
    """Return CRC-32 (zlib) of the text as six base-62 digits."""
    return base62(zlib.crc32(text.encode("ascii")), CHECKSUM_LENGTH)


def random_letters(length: int) -> str:
    """Return letters and digits from the system's secure random source."""
    return "".join(secrets.choice(ALPHABET) for _ in range(length))


def new_key(prefix: str) -> ParsedKey:
    """Return a new random key with the given prefix (``ipk_`` or ``ips_``)."""
    body = prefix + random_letters(ID_LENGTH + SECRET_LENGTH)
    return ParsedKey(prefix, body[len(prefix) : len(prefix) + ID_LENGTH], body + checksum(body))


def parse_key(text: str) -> ParsedKey | None:
    """Return the parts of a well-formed key with a correct checksum, else None. No I/O."""
    match = KEY.fullmatch(text)
    if match is None or checksum(text[:-CHECKSUM_LENGTH]) != match[4]:
        return None
    return ParsedKey(match[1], match[2], text)


def mask(prefix: str, key_id: str, last_four: str) -> str:
    """Return the masked key: prefix, first four characters of the id, last four of the key."""
    return f"{prefix}{key_id[:4]}{MASK_DOTS}{last_four}"


def current_pepper() -> str:
    """Return the id of the pepper for new digests: the first of KEY_PEPPERS."""
    return next(iter(settings.KEY_PEPPERS))


@cache
def _keyed(pepper: bytes) -> hmac.HMAC:
    """Return an HMAC under a pepper, to be copied: the key setup is half of the work."""
    return hmac.new(pepper, digestmod=hashlib.sha256)


def digest(text: str, pepper_id: str) -> str:
    """Return HMAC-SHA256 of the text under the named pepper, in hex. Raises KeyError for a retired pepper."""
    keyed = _keyed(settings.KEY_PEPPERS[pepper_id]).copy()
    keyed.update(text.encode())
    return keyed.hexdigest()


def matches(text: str, stored_digest: str, pepper_id: str) -> bool:
    """Compare in constant time; a retired pepper never matches, at the same cost."""
    known = pepper_id in settings.KEY_PEPPERS
    computed = digest(text, pepper_id if known else current_pepper())
    return hmac.compare_digest(computed, stored_digest) and known


class PasswordHasher(Argon2PasswordHasher):
    """Argon2id with 19 MiB, two passes, one lane (OWASP's minimum); the default of Django takes 100 MiB."""

    time_cost = 2
    memory_cost = 19 * 1024
    parallelism = 1

    def encode(self, password: str, salt: str) -> str:
        """Hash within the process's limit; raises Busy under load."""
        with password_hashing_slot():
            return super().encode(password, salt)

    def verify(self, password: str, encoded: str) -> bool:
        """Verify within the process's limit; raises Busy under load."""
        with password_hashing_slot():
            return super().verify(password, encoded)

"""Versions of objects: a short digest of what callers can set, and the version that a change expects."""

from base64 import urlsafe_b64encode
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from apps.base.errors import PreconditionFailed

# 96 bits are enough: an ETag is compared with those of the same object only, so collisions gain an attacker nothing.
DIGEST_BYTES = 12
CHANGED = "This was changed since you read it. Read it again, look at the change, and send the new ETag."


def short_digest(text: bytes) -> str:
    """Return a digest of 16 letters, digits, hyphens and underscores."""
    return urlsafe_b64encode(blake2b(text, digest_size=DIGEST_BYTES).digest()).decode()


def version_of(*values: Any) -> str:
    """Return the version of an object with these values, whose order matters."""
    return short_digest("\0".join(map(str, values)).encode())


@dataclass(frozen=True, slots=True)
class ExpectedVersion:
    """The versions that a caller expects of an object before a change; None: any."""

    versions: frozenset[str] | None = None

    def check(self, version: str) -> None:
        """Raise PreconditionFailed for any other version; call it while the row is locked."""
        if self.versions is not None and version not in self.versions:
            raise PreconditionFailed(CHANGED)


ANY_VERSION = ExpectedVersion()

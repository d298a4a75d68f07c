"""Versions of objects: a short digest of what people and programs decide about one, and what a change expects of it."""

from base64 import urlsafe_b64encode
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from apps.base.errors import PreconditionFailed

# 96 bits. A tag is compared with those of the same object only: nobody gains by finding two texts with one digest.
DIGEST_BYTES = 12
CHANGED = "This was changed since you read it. Read it again, look at the change, and send the new ETag."


def short_digest(text: bytes) -> str:
    """Return 16 letters, digits, hyphens and underscores that stand for the text."""
    return urlsafe_b64encode(blake2b(text, digest_size=DIGEST_BYTES).digest()).decode()


def version_of(*values: Any) -> str:
    """Return the version of an object that is described by the values; their order counts."""
    return short_digest("\0".join(map(str, values)).encode())


@dataclass(frozen=True, slots=True)
class Expected:
    """What a caller says the object is before a change: of one of the versions, or (None) whatever it is."""

    versions: frozenset[str] | None = None

    def check(self, version: str) -> None:
        """Raise PreconditionFailed where the object is another one; call it while its row is held."""
        if self.versions is not None and version not in self.versions:
            raise PreconditionFailed(CHANGED)


ANY_VERSION = Expected()

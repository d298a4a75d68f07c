"""Standard Webhooks signatures: prove that a delivery is authentic, unchanged and recent.

Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Iterable, Mapping, Sequence

SECRET_PREFIX = "whsec_"  # noqa: S105 - a prefix, not a secret
SECRET_BYTES = 32
TOLERANCE_SECONDS = 300

_TIMESTAMP = re.compile(r"[0-9]{1,12}")


class SignatureRefused(ValueError):
    """The message has no valid signature; the exception's text is a sentence with the reason."""


def new_secret() -> str:
    """Return a new signing secret: ``whsec_`` and 32 random bytes in base64."""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode("ascii")


def secret_bytes(secret: str) -> bytes:
    """Return the key bytes of a ``whsec_…`` secret. Raises ValueError for any other text."""
    try:
        return base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except ValueError as error:
        raise ValueError("A signing secret is whsec_ followed by base64.") from error


def sign(keys: Iterable[bytes], message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Return the three signature headers for ``body``, with one signature for each key, in the given order.

    ``timestamp`` is in whole seconds since 1970. Pass the newest key first.
    """
    content = _signed_content(message_id, str(timestamp), body)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(_signature(key, content) for key in keys),
    }


def verify(
    keys: Sequence[bytes],
    headers: Mapping[str, str],
    body: bytes,
    *,
    now: float | None = None,
    tolerance_seconds: int = TOLERANCE_SECONDS,
) -> None:
    """Raise SignatureRefused unless a signature matches one of the keys and the timestamp is recent.

    Header names are in lower case.
    """
    message_id = headers.get("webhook-id", "")
    timestamp = headers.get("webhook-timestamp", "")
    signatures = headers.get("webhook-signature", "").split(" ")
    if not message_id or not timestamp or not any(signatures):
        raise SignatureRefused("A webhook-id, webhook-timestamp or webhook-signature header is missing.")
    _check_age(timestamp, time.time() if now is None else now, tolerance_seconds)
    content = _signed_content(message_id, timestamp, body)
    expected = [_signature(key, content).encode() for key in keys]
    # A list and not a generator, so that the duration does not reveal which signature matched.
    matches = [hmac.compare_digest(each.encode(), good) for each in signatures for good in expected]
    if not any(matches):
        raise SignatureRefused("No signature matches: another secret, or the body was changed on the way.")


def _check_age(timestamp: str, now: float, tolerance_seconds: int) -> None:
    if not _TIMESTAMP.fullmatch(timestamp):
        raise SignatureRefused("The webhook-timestamp header is not a number of seconds.")
    age = now - int(timestamp)
    if abs(age) > tolerance_seconds:
        direction = "old" if age > 0 else "ahead of this clock"
        allowed = f"{tolerance_seconds} are allowed"
        raise SignatureRefused(f"The message is {abs(age):.0f} seconds {direction}; {allowed}.")


def _signed_content(message_id: str, timestamp: str, body: bytes) -> bytes:
    return b"%s.%s.%s" % (message_id.encode(), timestamp.encode(), body)


def _signature(key: bytes, content: bytes) -> str:
    return "v1," + base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode("ascii")

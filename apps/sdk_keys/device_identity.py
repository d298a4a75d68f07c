"""What is stored of a device: a keyed digest of its id and a digest of its token."""

import hashlib
import hmac
import secrets
import uuid

from django.conf import settings

from apps.base.crypto.secrets import current_pepper, digest

TOKEN_BYTES = 32


def device_digest(pool_id: uuid.UUID, device_id: str, pepper_id: str = "") -> str:
    """Return the HMAC-SHA256 of the device's id within one pool, so that it differs from pool to pool."""
    return digest(f"{pool_id.hex}\0{device_id}", pepper_id or current_pepper())


def device_digests(pool_id: uuid.UUID, device_id: str) -> list[str]:
    """Return the digests under all configured peppers, so that a device counts once during a pepper rotation."""
    return [device_digest(pool_id, device_id, pepper_id) for pepper_id in settings.KEY_PEPPERS]


def new_token() -> tuple[str, str]:
    """Return a new token and its digest. 256 random bits cannot be guessed, so no pepper is needed."""
    token = secrets.token_urlsafe(TOKEN_BYTES)
    return token, token_digest(token)


def token_digest(token: str) -> str:
    """Return the SHA-256 of a token, which is all that is stored of it."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def token_matches(token: str, stored: str) -> bool:
    """Return whether a token matches a stored digest, in constant time."""
    return hmac.compare_digest(token_digest(token), stored)

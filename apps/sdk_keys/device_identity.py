"""What is kept of a device: a keyed digest of its id, and a digest of the token that its app holds."""

import hashlib
import hmac
import secrets
import uuid

from django.conf import settings

from apps.base.crypto.secrets import current_pepper, digest

TOKEN_BYTES = 32


def device_digest(pool_id: uuid.UUID, device_id: str, pepper_id: str = "") -> str:
    """Return HMAC-SHA256 of the device's id within one pool: the same phone differs from pool to pool."""
    return digest(f"{pool_id.hex}\0{device_id}", pepper_id or current_pepper())


def device_digests(pool_id: uuid.UUID, device_id: str) -> list[str]:
    """Return the digests under every pepper in use: a device counts once while peppers are rotated."""
    return [device_digest(pool_id, device_id, pepper_id) for pepper_id in settings.KEY_PEPPERS]


def new_token() -> tuple[str, str]:
    """Return a fresh token and its digest. 256 random bits need no pepper: nothing can be guessed."""
    token = secrets.token_urlsafe(TOKEN_BYTES)
    return token, token_digest(token)


def token_digest(token: str) -> str:
    """Return what is kept of a token."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def token_matches(token: str, stored: str) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(token_digest(token), stored)

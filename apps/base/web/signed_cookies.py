"""What the server must know again of a stranger's browser: it carries it itself, signed, for some minutes.

So a page that anybody may open stores nothing, however often it is opened.
"""

from typing import Any

from django.conf import settings
from django.core import signing
from django.http import HttpResponseBase

from apps.base.requests import PortalRequest

SECONDS = 600
SALT = "portal.carried"


def set_signed_cookie(response: HttpResponseBase, name: str, value: dict[str, Any]) -> None:
    """Hand the browser a value of that name; it can be read there, and not changed."""
    response.set_cookie(
        _cookie(name), signing.dumps(value, salt=f"{SALT}.{name}", compress=True), max_age=SECONDS,
        secure=settings.HTTPS, httponly=True, samesite="Lax",
    )  # fmt: skip


def read_signed_cookie(request: PortalRequest, name: str) -> dict[str, Any] | None:
    """Return what the browser brings back under that name, None where that is nothing of ours or too old."""
    try:
        found = signing.loads(request.COOKIES.get(_cookie(name), ""), salt=f"{SALT}.{name}", max_age=SECONDS)
    except signing.BadSignature:
        return None
    return found if isinstance(found, dict) else None


def delete_signed_cookie(response: HttpResponseBase, name: str) -> None:
    """Have the browser forget the value."""
    response.delete_cookie(_cookie(name), samesite="Lax")


def _cookie(name: str) -> str:
    return f"__Host-{name}" if settings.HTTPS else name

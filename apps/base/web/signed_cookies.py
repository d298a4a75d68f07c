"""State of anonymous visitors, stored for some minutes in signed cookies.

Public pages thus write nothing to the database, however often they are opened.
"""

from typing import Any

from django.conf import settings
from django.core import signing
from django.http import HttpResponseBase

from apps.base.requests import PortalRequest

SECONDS = 600
SALT = "portal.carried"


def set_signed_cookie(response: HttpResponseBase, name: str, value: dict[str, Any]) -> None:
    """Set a cookie with a signed value, which the browser can read but not change."""
    response.set_cookie(
        _cookie_name(name), signing.dumps(value, salt=f"{SALT}.{name}", compress=True), max_age=SECONDS,
        secure=settings.HTTPS, httponly=True, samesite="Lax",
    )  # fmt: skip


def read_signed_cookie(request: PortalRequest, name: str) -> dict[str, Any] | None:
    """Return the cookie's value, or None where it is missing, forged or expired."""
    try:
        found = signing.loads(request.COOKIES.get(_cookie_name(name), ""), salt=f"{SALT}.{name}", max_age=SECONDS)
    except signing.BadSignature:
        return None
    return found if isinstance(found, dict) else None


def delete_signed_cookie(response: HttpResponseBase, name: str) -> None:
    response.delete_cookie(_cookie_name(name), samesite="Lax")


def _cookie_name(name: str) -> str:
    return f"__Host-{name}" if settings.HTTPS else name

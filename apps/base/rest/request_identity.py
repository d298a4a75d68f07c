"""Who calls the API: a key first, then a session where a browser asks for a page."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from django.conf import settings
from django.utils.module_loading import import_string

from apps.base.actor import Actor
from apps.base.errors import PortalError, Unauthorized
from apps.base.requests import PortalRequest
from apps.base.rest.content_negotiation import requests_html, strip_refused_ranges
from apps.base.rest.transport_checks import csrf_refusal, https_refusal

KEY_PREFIX = re.compile("ip[ks]_")
MISSING_KEY = "No API key. Send it as 'Authorization: Bearer KEY' or 'X-API-Key: KEY'."
NO_SCHEME = (
    "The Authorization header has a key, but not in a form that is read. Send it as 'Authorization: Bearer KEY'."
)
KEY_IN_QUERY = "No API key in the headers. A key in the query string is not used: send 'Authorization: Bearer KEY'."


@dataclass(slots=True)
class AuthResult:
    """What the door found out: who calls, what to put on the answer, and why it is refused where it is."""

    actor: Actor | None = None
    refusal: PortalError | None = None
    headers: dict[str, str] = field(default_factory=dict)
    credential: Any = None
    # Where the call was counted on limits: what uncounts it, for a call that is refused with 429 after the door.
    refund: Callable[[PortalRequest], None] | None = None
    # The windows of a further limit that refused the call, which is counted in none of them.
    exceeded_limits: tuple[Any, ...] = ()
    # Somebody signed in, in a browser: refusals are pages, too.
    is_browser_session: bool = False


@cache
def resolve_hook(dotted_path: str) -> Callable[..., Any]:
    """Return what a setting names; looked up once, for it is asked on every call."""
    found: Callable[..., Any] = import_string(dotted_path)
    return found


def authenticate_request(request: PortalRequest) -> AuthResult:
    """Ask the key's door first, then the session's (only where a browser asks for a page)."""
    insecure = https_refusal(request)
    if insecure is not None:
        return AuthResult(refusal=insecure)
    caller: AuthResult | None = resolve_hook(settings.PORTAL_KEY_AUTHENTICATION)(request)
    if caller is None and requests_html(strip_refused_ranges(request.META.get("HTTP_ACCEPT", ""))):
        caller = resolve_hook(settings.PORTAL_SESSION_AUTHENTICATION)(request)
        if caller is not None:
            caller.is_browser_session = True
            if caller.refusal is None:
                caller.refusal = csrf_refusal(request)
    if caller is not None:
        return caller
    return AuthResult(refusal=Unauthorized(_why_no_key(request.META), "missing_api_key"))


def _why_no_key(headers: Mapping[str, Any]) -> str:
    """Say where a key was seen that was not read as one."""
    if KEY_PREFIX.search(headers.get("HTTP_AUTHORIZATION", "")):
        return NO_SCHEME
    return KEY_IN_QUERY if KEY_PREFIX.search(headers.get("QUERY_STRING", "")) else MISSING_KEY

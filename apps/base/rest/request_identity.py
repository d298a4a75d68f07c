"""Authenticate API requests: by a key, else by a session where a browser requests a page."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from django.conf import settings
from django.core.exceptions import BadRequest, SuspiciousOperation
from django.http.multipartparser import MultiPartParserError
from django.utils.module_loading import import_string
from rest_framework.authentication import CSRFCheck

from apps.base.actor import Actor
from apps.base.errors import Forbidden, PortalError, Unauthorized
from apps.base.requests import PortalRequest
from apps.base.rest.content_negotiation import requests_html, strip_refused_ranges
from apps.base.rest.error_responses import to_portal_error

KEY_PREFIX = re.compile("ip[ks]_")
MISSING_KEY = "No API key. Send it as 'Authorization: Bearer KEY' or 'X-API-Key: KEY'."
NO_SCHEME = (
    "The Authorization header has a key, but not in a form that is read. Send it as 'Authorization: Bearer KEY'."
)
KEY_IN_QUERY = "No API key in the headers. A key in the query string is not used: send 'Authorization: Bearer KEY'."


@dataclass(slots=True)
class AuthResult:
    """The result of authentication: the actor, headers for the response, and the error where there is one."""

    actor: Actor | None = None
    refusal: PortalError | None = None
    headers: dict[str, str] = field(default_factory=dict)
    credential: Any = None
    # For a request that was counted by rate limits: undoes it, where the view responds with 401 or 429.
    refund: Callable[[PortalRequest], None] | None = None
    # The windows of a further limit that was exceeded, in which the request is not counted.
    exceeded_limits: tuple[Any, ...] = ()
    # Errors are pages, too.
    is_browser_session: bool = False


@cache
def resolve_hook(dotted_path: str) -> Callable[..., Any]:
    """Return the function that a setting names; cached, as it is used by every request."""
    hook: Callable[..., Any] = import_string(dotted_path)
    return hook


def authenticate_request(request: PortalRequest) -> AuthResult:
    """Authenticate by a key, else by a session where a browser requests a page, else with the error missing_api_key."""
    insecure = https_refusal(request)
    if insecure is not None:
        return AuthResult(refusal=insecure)
    auth: AuthResult | None = resolve_hook(settings.PORTAL_KEY_AUTHENTICATION)(request)
    if auth is None and requests_html(strip_refused_ranges(request.META.get("HTTP_ACCEPT", ""))):
        auth = resolve_hook(settings.PORTAL_SESSION_AUTHENTICATION)(request)
        if auth is not None:
            auth.is_browser_session = True
            if auth.refusal is None:
                auth.refusal = csrf_refusal(request)
    if auth is not None:
        return auth
    return AuthResult(refusal=Unauthorized(_missing_key_message(request.META), "missing_api_key"))


def _missing_key_message(headers: Mapping[str, Any]) -> str:
    """Return the message for a request without a readable key, which says where an unread key was."""
    if KEY_PREFIX.search(headers.get("HTTP_AUTHORIZATION", "")):
        return NO_SCHEME
    return KEY_IN_QUERY if KEY_PREFIX.search(headers.get("QUERY_STRING", "")) else MISSING_KEY


def https_refusal(request: PortalRequest) -> Forbidden | None:
    """Return the error of plain HTTP where the portal is served over HTTPS."""
    if not settings.HTTPS or request.is_secure():
        return None
    return Forbidden("Use https. A key that was sent over plain http should be rotated.", "https_required")


def csrf_refusal(request: PortalRequest) -> PortalError | None:
    """Return the error of a session's change without a valid CSRF token; requests with a key need none.

    Reads the form for the token, so it also returns the error of a form that is too large or malformed.
    """
    # As DRF's SessionAuthentication does; the stubs require a view.
    check = CSRFCheck(lambda _request: None)  # type: ignore[arg-type]  # it is never called
    check.process_request(request)
    try:
        if check.process_view(request, None, (), {}) is None:  # type: ignore[arg-type]  # the view is not used
            return None
    except (BadRequest, MultiPartParserError, SuspiciousOperation) as error:
        return to_portal_error(error)
    return Forbidden("The CSRF token is missing or wrong. Reload the page and send the form again.")

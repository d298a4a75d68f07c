"""Pages and answers for what no view answers: Django's own refusals, forms without their token, and our faults.

A PortalError of a page is answered in ``base/web/middleware.py``, one of the API in
``base/rest/error_responses.py``. Nothing here tells more than what to do next and the id of the request.
"""

import logging
import sys
from collections.abc import Callable
from typing import Any

from django.core.exceptions import DisallowedHost, RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.translation import gettext as _

from apps.base.errors import NotFound, PortalError
from apps.base.rest.content_negotiation import wants_json_error
from apps.base.rest.error_responses import DATABASE_AWAY_SECONDS, json_error_response
from apps.base.web import maintenance
from apps.base.web.middleware import is_api

# What programs of the operator ask: whether the process lives, and its counters.
EXEMPT_FROM_MAINTENANCE = frozenset({"/healthz", "/readyz", "/metrics"})

logger = logging.getLogger(__name__)

# allauth's limits do not say how long they last; most of them are of a minute.
DEFAULT_WAIT_SECONDS = 60
# Names in a form of what is never given back: whoever sees the page must type it again.
SECRET_WORDS = ("password", "csrfmiddlewaretoken", "code", "secret", "credential")
MAX_FIELDS = 200
WRONG_HOST = (
    "The Host header names no host of this service, or can't be read. Use the address that you were given, and check"
    " that proxies pass Host on."
)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer what Django itself found wrong with a request, such as its host or its size."""
    if isinstance(exception, PortalError):
        return error_response(request, exception, minimal=True)
    if isinstance(exception, RequestDataTooBig):
        return error_response(request, PortalError("The body is larger than 1 MiB.", "payload_too_large"), minimal=True)
    message = WRONG_HOST if isinstance(exception, DisallowedHost) else "The request could not be understood."
    return error_response(request, PortalError(message, "invalid_request"), minimal=True)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 403."""
    return error_response(request, PortalError(_("You may not do this."), "forbidden"))


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 404."""
    return error_response(request, NotFound())


def too_many_tries(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Answer 429; allauth calls it by its name in the URL configuration."""
    headers = {"Retry-After": str(DEFAULT_WAIT_SECONDS)}
    return error_response(request, PortalError(_("That was too fast."), "rate_limited", headers=headers))


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answer a form without its token, and give its values back where the browser says it was our own page.

    ``Sec-Fetch-Site`` cannot be set by a script, so what another site made the browser send is never offered again.
    """
    given = []
    if request.headers.get("Sec-Fetch-Site") == "same-origin":
        given = [(name, value) for name, values in request.POST.lists() if not _is_secret(name) for value in values]
    context = {
        "typed": given[:MAX_FIELDS] if len(given) <= MAX_FIELDS else [],
        "form_path": request.get_full_path(),
    }
    return error_response(request, PortalError("This form has no valid token.", "forbidden"), "csrf", context)


def _is_secret(name: str) -> bool:
    return any(word in name.lower() for word in SECRET_WORDS)


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer an unexpected error with nothing but the request id; 503 where the database is away."""
    if isinstance(sys.exc_info()[1], (OperationalError, InterfaceError)):
        headers = {"Retry-After": str(DATABASE_AWAY_SECONDS)}
        message = "The service is unavailable for a moment. Try again."
        return error_response(request, PortalError(message, "unavailable", headers=headers), minimal=True)
    return error_response(request, PortalError("Something went wrong on our side.", "internal_error"), minimal=True)


def error_response(
    request: HttpRequest, error: PortalError, name: str = "", context: Any = None, minimal: bool = False
) -> HttpResponse:
    """Answer an error as JSON on the API, else as a page.

    ``name``: the template, where it is not the status. ``minimal``: without the frame, which reads the session.
    """
    request_id = getattr(request, "request_id", "")
    if is_api(request.path_info) or wants_json_error(request.META):
        return json_error_response(error, request_id)
    answer = _page(request, error, f"errors/{name or error.status}.html", {**(context or {})}, minimal)
    for header, value in error.headers.items():
        answer[header] = value
    return answer


def _page(request: HttpRequest, error: PortalError, template: str, context: Any, minimal: bool) -> HttpResponse:
    language = getattr(request, "LANGUAGE_CODE", "") or translation.get_language_from_request(request)
    wait = error.headers.get("Retry-After")
    known = {"request_id": getattr(request, "request_id", ""), "retry_after": int(wait) if wait else None, **context}
    with translation.override(language):
        try:
            if not minimal:
                return render(request, template, known, status=error.status)
            answer = HttpResponse(render_to_string(template, known), status=error.status)
        except Exception:
            if not minimal:
                raise  # Django answers that as an error of its own, by server_error
            logger.exception("the page of an error could not be made")
            text = f"{error.status}\n{error.message}\n{known['request_id']}\n"
            answer = HttpResponse(text, status=error.status, content_type="text/plain; charset=utf-8")
    answer["Content-Language"] = language
    return answer


class MaintenanceMiddleware:
    """Answers before a session is looked up. Calls of programs are answered in ``base/rest/api_fast_path.py``."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path_info in EXEMPT_FROM_MAINTENANCE or not maintenance.is_maintenance_on():
            return self.get_response(request)
        answer = error_response(request, maintenance.unavailable_error(), minimal=True)
        answer["Cache-Control"] = "no-store, private"
        # Django logs each 503 as an error: the operator meant these.
        answer._has_been_logged = True  # type: ignore[attr-defined]  # Django's own mark
        return answer

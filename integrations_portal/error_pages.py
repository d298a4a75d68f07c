"""Responses to errors outside of views: Django's own, CSRF failures, unexpected exceptions, maintenance.

A PortalError of a page is handled in ``base/web/middleware.py``, one of the API in ``base/rest/error_responses.py``.
The responses contain no details, only what to do next and the request id.
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
from apps.base.rest.error_responses import DATABASE_RETRY_SECONDS, json_error_response
from apps.base.web import middleware
from apps.base.web.middleware import is_api

# Health checks and metrics also work during maintenance.
EXEMPT_FROM_MAINTENANCE = frozenset({"/healthz", "/readyz", "/metrics"})

logger = logging.getLogger(__name__)

# allauth does not expose how long its rate limits last; most of them last a minute.
DEFAULT_WAIT_SECONDS = 60
# Form fields whose names contain one of these are never shown again.
SECRET_WORDS = ("password", "csrfmiddlewaretoken", "code", "secret", "credential")
MAX_FIELDS = 200
WRONG_HOST = (
    "The Host header names no host of this service, or can't be read. Use the address that you were given, and check"
    " that proxies pass Host on."
)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Return 400, or 413 for an oversized body, when Django rejects a request (``handler400``)."""
    if isinstance(exception, PortalError):
        return error_response(request, exception, minimal=True)
    if isinstance(exception, RequestDataTooBig):
        return error_response(request, PortalError("The body is larger than 1 MiB.", "payload_too_large"), minimal=True)
    message = WRONG_HOST if isinstance(exception, DisallowedHost) else "The request could not be understood."
    return error_response(request, PortalError(message, "invalid_request"), minimal=True)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Return 403 for a PermissionDenied (``handler403``)."""
    return error_response(request, PortalError(_("You may not do this."), "forbidden"))


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Return 404 for an Http404 (``handler404``)."""
    return error_response(request, NotFound())


def too_many_requests(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Return 429; allauth finds this handler as ``handler429`` in the URL configuration."""
    headers = {"Retry-After": str(DEFAULT_WAIT_SECONDS)}
    return error_response(request, PortalError(_("That was too fast."), "rate_limited", headers=headers))


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Return 403 for a form without a valid CSRF token, with its values if a page of the same origin sent it.

    Scripts cannot set ``Sec-Fetch-Site``, so values that another site made the browser send are never offered again.
    """
    values_to_show = []
    if request.headers.get("Sec-Fetch-Site") == "same-origin":
        values_to_show = [
            (name, value) for name, values in request.POST.lists() if not _is_secret(name) for value in values
        ]
    context = {
        "typed": values_to_show if len(values_to_show) <= MAX_FIELDS else [],
        "form_path": request.get_full_path(),
    }
    return error_response(request, PortalError("This form has no valid token.", "forbidden"), "csrf", context)


def _is_secret(name: str) -> bool:
    return any(word in name.lower() for word in SECRET_WORDS)


def server_error(request: HttpRequest) -> HttpResponse:
    """Return 500 with the request id for an unexpected exception, or 503 if the database is unavailable."""
    if isinstance(sys.exc_info()[1], (OperationalError, InterfaceError)):
        headers = {"Retry-After": str(DATABASE_RETRY_SECONDS)}
        message = "The service is unavailable for a moment. Try again."
        return error_response(request, PortalError(message, "unavailable", headers=headers), minimal=True)
    return error_response(request, PortalError("Something went wrong on our side.", "internal_error"), minimal=True)


def error_response(
    request: HttpRequest, error: PortalError, name: str = "", context: Any = None, minimal: bool = False
) -> HttpResponse:
    """Return the response to an error: JSON on the API, else a page.

    ``name``: the template, if it is not the status. ``minimal``: without the page frame, which reads the session.
    """
    request_id = getattr(request, "request_id", "")
    if is_api(request.path_info) or wants_json_error(request.META):
        return json_error_response(error, request_id)
    response = _render_page(request, error, f"errors/{name or error.status}.html", {**(context or {})}, minimal)
    for header, value in error.headers.items():
        response[header] = value
    return response


def _render_page(request: HttpRequest, error: PortalError, template: str, context: Any, minimal: bool) -> HttpResponse:
    language = getattr(request, "LANGUAGE_CODE", "") or translation.get_language_from_request(request)
    wait = error.headers.get("Retry-After")
    page_context = {
        "request_id": getattr(request, "request_id", ""),
        "retry_after": int(wait) if wait else None,
        **context,
    }
    with translation.override(language):
        try:
            if not minimal:
                return render(request, template, page_context, status=error.status)
            response = HttpResponse(render_to_string(template, page_context), status=error.status)
        except Exception:
            if not minimal:
                raise  # Django handles it with server_error
            logger.exception("the page of an error could not be made")
            text = f"{error.status}\n{error.message}\n{page_context['request_id']}\n"
            response = HttpResponse(text, status=error.status, content_type="text/plain; charset=utf-8")
    response["Content-Language"] = language
    return response


class MaintenanceMiddleware:
    """Returns 503 during maintenance, before the session is read; API requests: ``base/rest/api_fast_path.py``."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path_info in EXEMPT_FROM_MAINTENANCE or not middleware.is_maintenance_on():
            return self.get_response(request)
        response = error_response(request, middleware.unavailable_error(), minimal=True)
        response["Cache-Control"] = "no-store, private"
        # Prevent Django from logging these 503 as errors: they are intended.
        response._has_been_logged = True  # type: ignore[attr-defined]  # private to Django
        return response

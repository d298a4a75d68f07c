"""Middleware: request ids, client addresses, headers of pages, and error pages."""

import os
import re
import secrets
import time
from collections.abc import Callable
from typing import Any

import structlog
from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import translation
from django.utils.module_loading import import_string
from django.utils.translation import gettext_lazy, gettext_noop

from apps.base.errors import PortalError
from apps.base.requests import PortalRequest
from apps.base.rest import request_bodies
from apps.base.rest.content_negotiation import wants_json_error
from apps.base.rest.error_responses import json_error_response
from apps.base.rest.parsing import check_coding
from apps.base.telemetry import access_log
from apps.base.telemetry.access_log import METHODS
from apps.base.text.redaction import hide_keys
from apps.base.web.client_address import is_trusted_proxy, parse_node, resolve_client_address

# Retry-After in seconds, unless the file contains another value.
DEFAULT_RETRY_SECONDS, MAX_RETRY_SECONDS = 60, 86_400
MAX_FLAG_BYTES = 16
UNAVAILABLE = gettext_noop("The service is unavailable for a moment. Try again.")

REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}", re.ASCII)
PAGE_METHODS = "GET, HEAD, POST"
ERROR_PAGES = (403, 404, 405, 429, 503)
# Key in a request's WSGI environ: ``api_fast_path.Application`` has identified the request of an API client.
API_FAST_PATH = "portal.program"
# Replaces a header value that is empty or that the server could not decode.
UNREADABLE_HEADER = "(unreadable)"
UNREADABLE_COOKIES = gettext_lazy(
    "Your browser sent cookies that can't be read. Delete the cookies of this site, then reload the page."
)
# The portal uses none of these features but passkeys.
PERMISSIONS_POLICY = (
    "accelerometer=(), autoplay=(), browsing-topics=(), camera=(), display-capture=(), encrypted-media=(),"
    " fullscreen=(), geolocation=(), gyroscope=(), magnetometer=(), microphone=(), midi=(), payment=(),"
    " picture-in-picture=(), screen-wake-lock=(), usb=(), xr-spatial-tracking=(),"
    " publickey-credentials-create=(self), publickey-credentials-get=(self)"
)
GetResponse = Callable[[PortalRequest], HttpResponse]


def is_api(path: str) -> bool:
    """Return whether a path belongs to the public API, where every response is JSON."""
    return path == "/v1" or path.startswith("/v1/")


def decode_header(text: str) -> str:
    """Return a header's value as UTF-8 if it is valid; a WSGI server decodes its bytes as Latin-1 (PEP 3333)."""
    try:
        return text.encode("latin-1").decode()
    except UnicodeError:
        return text


def _apply_forwarded_proto(request: PortalRequest) -> None:
    """Set the scheme that a trusted proxy reports: https, or http for any other value."""
    reported = request.META.get("HTTP_X_FORWARDED_PROTO")
    if reported is not None:
        scheme = "https" if reported.rpartition(",")[2].strip().lower() == "https" else "http"
        request.META["wsgi.url_scheme"] = scheme


def _drop_unusable_cookies(request: PortalRequest) -> None:
    """Drop cookies with control characters, which a quoted value can encode: PostgreSQL rejects NUL."""
    request.COOKIES = {name: value for name, value in request.COOKIES.items() if (name + value).isprintable()}


class RequestMiddleware:
    """Sets ``request.request_id``, ``request.client_address`` and the scheme that a trusted proxy reports."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: PortalRequest) -> HttpResponse:
        started = time.perf_counter()
        given = request.META.get("HTTP_X_REQUEST_ID", "")
        is_id = REQUEST_ID.fullmatch(given) and hide_keys(given) == given
        request.request_id = given if is_id else secrets.token_hex(16)
        peer = parse_node(request.META.get("REMOTE_ADDR", ""))
        request.client_address = peer
        if is_trusted_proxy(peer):
            request.client_address = resolve_client_address(peer, request.META, request.path_info)
            _apply_forwarded_proto(request)
        if "\\" in request.META.get("HTTP_COOKIE", ""):
            _drop_unusable_cookies(request)
        agent = request.META.get("HTTP_USER_AGENT", "-")
        if not agent or not agent.isascii():
            request.META["HTTP_USER_AGENT"] = decode_header(agent) or UNREADABLE_HEADER
        request_bodies.attach_body(request)
        request.actor = None  # type: ignore[assignment]  # until an entry point has identified the caller
        structlog.contextvars.bind_contextvars(request_id=request.request_id)
        try:
            response = self._respond(request)
        finally:
            structlog.contextvars.clear_contextvars()
        response["X-Request-ID"] = request.request_id
        access_log.log_request(request, response.status_code, time.perf_counter() - started)
        return response

    def _respond(self, request: PortalRequest) -> HttpResponse:
        # The API is in English. On the fast path no language is active, and an override costs 1 % of the request.
        if API_FAST_PATH in request.environ or not is_api(request.path_info):
            return self.get_response(request)
        with translation.override("en"):
            return self.get_response(request)


class PageHeadersMiddleware:
    """Sets headers of pages for which Django has no setting."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: PortalRequest) -> HttpResponse:
        response = self.get_response(request)
        response.setdefault("Permissions-Policy", PERMISSIONS_POLICY)
        response.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        if not request.path_info.startswith(settings.STATIC_URL):
            response.setdefault("Cache-Control", "no-store, private")
        return response


class ErrorPagesMiddleware:
    """Turn a PortalError of a page into the page for its status; for the API see ``base/rest/error_responses.py``."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: PortalRequest) -> HttpResponse:
        if request.method not in METHODS and not is_api(request.path_info):
            # TRACE and methods that HTTP does not define: views of libraries would handle them like GET.
            return self._page(request, _method_not_allowed(request, PAGE_METHODS))
        if not is_api(request.path_info):
            try:
                _check_headers(request)
            except PortalError as error:
                return self._page(request, error)
        response = self.get_response(request)
        if response.status_code != 405 or response.content or is_api(request.path_info):
            return response
        # Views of Django and of libraries send a 405 without a body.
        return self._page(request, _method_not_allowed(request, response["Allow"]))

    def process_exception(self, request: PortalRequest, exception: Exception) -> HttpResponse | None:
        """Return the page for a PortalError; leave other exceptions to Django."""
        return self._page(request, exception) if isinstance(exception, PortalError) else None

    def _page(self, request: PortalRequest, error: PortalError) -> HttpResponse:
        if wants_json_error(request.META):
            return json_error_response(error, request.request_id)
        template = f"errors/{error.status if error.status in ERROR_PAGES else 'refused'}.html"
        wait = error.headers.get("Retry-After")
        context = {
            "message": hide_keys(str(error.message)),
            "request_id": request.request_id,
            "retry_after": int(wait) if wait else None,
            **_permission_context(request, error),
        }
        response = render(request, template, context, status=error.status)
        for name, value in error.headers.items():
            response[name] = value
        return response


def _method_not_allowed(request: PortalRequest, allowed: str) -> PortalError:
    return PortalError(f"This path does not take {request.method}.", "method_not_allowed", headers={"Allow": allowed})


def _check_headers(request: PortalRequest) -> None:
    """Raise for headers that no page accepts: of unreadable cookies, and of a body that is compressed or over 1 MiB.

    Browsers send no empty Cookie header: one means that the server could not decode it. Without this error a signed-in
    user would seem to be anonymous, and all forms would be refused. Django limits only some kinds of bodies.

    The body has not been read yet: the CSRF check, which reads it, runs after all middleware.
    """
    content_length = request.META.get("CONTENT_LENGTH") or "0"
    if (
        content_length.isascii()
        and content_length.isdigit()
        and int(content_length) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    ):
        raise RequestDataTooBig("the body is larger than 1 MiB")
    if request.method not in ("GET", "HEAD"):
        check_coding(request.META)
    if request.META.get("HTTP_COOKIE") == UNREADABLE_HEADER:
        raise PortalError(UNREADABLE_COOKIES)


def _permission_context(request: PortalRequest, error: PortalError) -> dict[str, Any]:
    """Return template context for a member without the permission: the role that has it, and who can grant it."""
    needed, organization = getattr(error, "needed", ()), getattr(request, "organization", None)
    if not needed or organization is None:
        return {}
    found = import_string(settings.PORTAL_WHO_DECIDES)(organization, needed)
    return {"required_role": found["role"], "people": found["people"], "own_role": request.actor.role}


def is_maintenance_on() -> bool:
    """Return whether the file of MAINTENANCE_FLAG exists."""
    return bool(settings.MAINTENANCE_FLAG) and os.path.exists(settings.MAINTENANCE_FLAG)


def unavailable_error() -> PortalError:
    """Return the error for every request; the file can contain the seconds for Retry-After."""
    return PortalError(UNAVAILABLE, "unavailable", headers={"Retry-After": str(_retry_after_seconds())})


def unavailable_api_response(request: PortalRequest) -> HttpResponse:
    return json_error_response(unavailable_error(), request.request_id)


def _retry_after_seconds() -> int:
    if not os.path.isfile(settings.MAINTENANCE_FLAG):  # opening a named pipe would wait for its other end
        return DEFAULT_RETRY_SECONDS
    try:
        with open(settings.MAINTENANCE_FLAG, "rb") as file:
            text = file.read(MAX_FLAG_BYTES).strip()
    except OSError:
        return DEFAULT_RETRY_SECONDS
    return max(1, min(MAX_RETRY_SECONDS, int(text))) if text.isdigit() else DEFAULT_RETRY_SECONDS

"""A fast path for requests of API clients, which skip the middleware that only pages need.

Sessions, messages, CSRF cookies and static files cost more than the view of a request with a key. Requests for
``text/html`` (the browsable API) still pass all middleware.
"""

import io
import os
import re
import socket
import stat
import sys
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import django
from csp.middleware import CSPMiddleware
from django.conf import settings
from django.core.handlers.exception import convert_exception_to_response
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest, get_script_name
from django.db import DEFAULT_DB_ALIAS, connections
from django.http import HttpResponse
from django.middleware.clickjacking import XFrameOptionsMiddleware
from django.middleware.security import SecurityMiddleware
from django.urls import URLPattern, set_script_prefix
from django.utils.module_loading import import_string

from apps.base.requests import PortalRequest
from apps.base.rest import api_fast_path, request_bodies
from apps.base.rest.content_negotiation import requests_html
from apps.base.rest.renderers import add_headers, render
from apps.base.web.middleware import (
    API_FAST_PATH,
    UNREADABLE_HEADER,
    GetResponse,
    PageHeadersMiddleware,
    is_api,
    is_maintenance_on,
    unavailable_api_response,
)

DESCRIPTORS = "/dev/fd"
SEND_TIMEOUT_SECONDS = 30

# Middleware that only adds constant headers to API responses.
HEADER_MIDDLEWARES = (XFrameOptionsMiddleware, PageHeadersMiddleware, CSPMiddleware, SecurityMiddleware)
PREFIX = "/v1/"
View = Callable[..., HttpResponse]
# The GIL's switch interval, 5 ms by default: a request takes the lock a dozen times, so that a quick one beside two
# computing threads (an export, a batch) takes 25 instead of 60 ms.
SWITCH_SECONDS = 0.001


def is_api_client(path: str, accept: str) -> bool:
    """Return whether a request is to the API, but not for its browsable pages."""
    return is_api(path) and not requests_html(accept)


class ApiRoutes:
    """The routes of ``/v1`` by their first segment: one lookup where Django tries one pattern after another."""

    def __init__(self, routes: Sequence[URLPattern], unknown: URLPattern) -> None:
        self._unknown = unknown.callback
        self._by_segment: dict[str, list[tuple[re.Pattern[str], View]]] = {}
        for route in routes:
            pattern = route.pattern.regex
            segment = pattern.pattern.removeprefix("^").partition("/")[0]
            self._by_segment.setdefault(segment, []).append((pattern, route.callback))

    def find(self, path: str) -> tuple[View, dict[str, str]]:
        """Return the view of a path under ``/v1`` and its keyword arguments."""
        rest = path[len(PREFIX) :]
        for pattern, view in self._by_segment.get(rest.partition("/")[0], ()):
            match = pattern.search(rest)
            if match is not None:
                return view, match.groupdict()
        return self._unknown, {}


class ApiFastPathMiddleware:
    """Handles requests of API clients, and passes all others to the next middleware."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        # As Django turns exceptions into responses, such as for a host that is not allowed.
        self._respond: GetResponse = convert_exception_to_response(self._handle)  # type: ignore[arg-type, assignment]  # any request, say the stubs
        self._routes: ApiRoutes | None = None
        self._headers = {secure: constant_headers(secure) for secure in (False, True)}

    def __call__(self, request: PortalRequest) -> HttpResponse:
        if API_FAST_PATH not in request.environ and not is_api_client(
            request.path_info, request.META.get("HTTP_ACCEPT", "")
        ):
            return self.get_response(request)
        response = self._respond(request)
        # A 304 without a body must not claim the length 0 (RFC 9110 section 8.6).
        if not (response.streaming or response.status_code == 304 or response.has_header("Content-Length")):
            response.headers["Content-Length"] = str(len(response.content))
        add_headers(response, self._headers[request.is_secure()])
        return response

    def _handle(self, request: PortalRequest) -> HttpResponse:
        request.get_host()  # as CommonMiddleware: raises for a host that is not in ALLOWED_HOSTS
        if is_maintenance_on():
            return unavailable_api_response(request)
        if self._routes is None:
            self._routes = import_string(f"{settings.ROOT_URLCONF}.api_routes")
        view, values = self._routes.find(request.path_info)
        response: HttpResponse = render(view(request, **values))
        return response


def constant_headers(secure: bool) -> dict[str, str]:
    """Return the headers that HEADER_MIDDLEWARES add to every API response, from an empty one."""
    get_response: Any = lambda _request: HttpResponse(status=204)  # noqa: E731
    for middleware in HEADER_MIDDLEWARES:
        get_response = middleware(get_response)
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": PREFIX, "wsgi.input": io.BytesIO()}
    headers = get_response(WSGIRequest({**environ, "wsgi.url_scheme": "https" if secure else "http"})).headers
    del headers["Content-Type"]
    return dict(headers.items())


class Application(WSGIHandler):
    """Django's WSGI application, without what only pages need around a request.

    Requests of API clients send no signals: of their receivers only the one that closes broken and old database
    connections is needed, once before each request. No URL configuration is set for the thread, as none is used.
    """

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        """Handle one request (PEP 3333)."""
        api_fast_path.limit_send_times()
        if not is_api_client(environ.get("PATH_INFO", ""), environ.get("HTTP_ACCEPT", "")):
            return self._serve_page(environ, start_response)
        environ[API_FAST_PATH] = True
        set_script_prefix(get_script_name(environ))
        connections[DEFAULT_DB_ALIAS].close_if_unusable_or_obsolete()
        request = self.request_class(environ)
        response = self._middleware_chain(request)  # type: ignore[attr-defined]  # set by load_middleware
        status, headers = f"{response.status_code} {response.reason_phrase}", list(response.items())
        if reader := environ.pop(request_bodies.STILL_READING, None):
            request_bodies.start_closing_response(start_response, status, headers)
            return request_bodies.ConnectionClosingResponse(response, reader)
        start_response(status, headers)
        return response if response.streaming else [response.content]

    def _serve_page(self, environ: dict[str, Any], start_response: Any) -> Any:
        if environ.get("HTTP_COOKIE") == "":
            # granian hands over a header with bytes outside ASCII as an empty one. Not in a middleware: Django's test
            # client sends an empty header where there are no cookies.
            environ["HTTP_COOKIE"] = UNREADABLE_HEADER

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            if request_bodies.STILL_READING in environ:
                return request_bodies.start_closing_response(start_response, status, headers, exc_info)
            return start_response(status, headers, *([exc_info] if exc_info else []))

        response = super().__call__(environ, start)
        reader = environ.pop(request_bodies.STILL_READING, None)
        return response if reader is None else request_bodies.ConnectionClosingResponse(response, reader)


def application() -> Application:
    """Set Django up and return the WSGI application, as ``get_wsgi_application`` does."""
    sys.setswitchinterval(SWITCH_SECONDS)
    django.setup(set_prefix=False)
    return Application()


@cache
def limit_send_times() -> None:
    """Set a send timeout of 30 seconds on every TCP socket of this process.

    Call it at the first request: granian opens its sockets after it loads the application.
    """
    if not hasattr(socket, "TCP_USER_TIMEOUT"):
        return
    for name in os.listdir(DESCRIPTORS):
        descriptor = int(name)
        try:
            if stat.S_ISSOCK(os.fstat(descriptor).st_mode):
                _set_send_timeout(socket.socket(fileno=os.dup(descriptor)))
        except OSError:
            # Closed meanwhile, such as the descriptor of the listed folder.
            continue


def _set_send_timeout(each: socket.socket) -> None:
    with each:
        if each.family in (socket.AF_INET, socket.AF_INET6) and each.type == socket.SOCK_STREAM:
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, SEND_TIMEOUT_SECONDS * 1000)

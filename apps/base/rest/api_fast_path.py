"""The short way of programs' calls: from the request's id straight to the view, past everything that pages need.

Sessions, messages, CSRF cookies and static files are no business of a call that carries a key or none: walking through
them cost more than the view. Whoever asks for ``text/html`` (the browsable API) still takes the long way.
"""

import io
import re
import sys
from collections.abc import Callable, Sequence
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

from apps.base.concurrency import slow_clients
from apps.base.requests import PortalRequest
from apps.base.rest import request_bodies
from apps.base.rest.content_negotiation import requests_html
from apps.base.rest.renderers import add_headers, render
from apps.base.web import maintenance
from apps.base.web.middleware import API_FAST_PATH, UNREADABLE, GetResponse, PageHeadersMiddleware, is_api

# Those of the long way whose only work on an answer of the API is a header that is always the same.
HEADER_MIDDLEWARES = (XFrameOptionsMiddleware, PageHeadersMiddleware, CSPMiddleware, SecurityMiddleware)
PREFIX = "/v1/"
View = Callable[..., HttpResponse]
# A thread that computes (an export, a batch) gives way after so long, not after Python's 5 ms: a request needs the lock
# a dozen times, so that a quick one beside two exports takes 25 instead of 60 ms.
SWITCH_SECONDS = 0.001


def is_program(path: str, accept: str) -> bool:
    """Tell whether a request is to the API and by a program."""
    return is_api(path) and not requests_html(accept)


class ApiRoutes:
    """The routes of ``/v1`` by their first segment: one look-up where Django tries one pattern after another."""

    def __init__(self, routes: Sequence[URLPattern], unknown: URLPattern) -> None:
        self._unknown = unknown.callback
        self._by_segment: dict[str, list[tuple[re.Pattern[str], View]]] = {}
        for route in routes:
            pattern = route.pattern.regex
            segment = pattern.pattern.removeprefix("^").partition("/")[0]
            self._by_segment.setdefault(segment, []).append((pattern, route.callback))

    def find(self, path: str) -> tuple[View, dict[str, str]]:
        """Return the view of a path under ``/v1`` and what the path holds for it."""
        rest = path[len(PREFIX) :]
        for pattern, view in self._by_segment.get(rest.partition("/")[0], ()):
            match = pattern.search(rest)
            if match is not None:
                return view, match.groupdict()
        return self._unknown, {}


class ApiFastPathMiddleware:
    """Answers programs' calls; everything else goes on."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        # Django's own way of making answers of exceptions, such as a host that is not served here.
        self._answer: GetResponse = convert_exception_to_response(self._call)  # type: ignore[arg-type, assignment]  # any request, say the stubs
        self._routes: ApiRoutes | None = None
        self._headers = {secure: constant_headers(secure) for secure in (False, True)}

    def __call__(self, request: PortalRequest) -> HttpResponse:
        if API_FAST_PATH not in request.environ and not is_program(
            request.path_info, request.META.get("HTTP_ACCEPT", "")
        ):
            return self.get_response(request)
        response = self._answer(request)
        # 304 stands for a body of another length (RFC 9110 section 8.6).
        if not (response.streaming or response.status_code == 304 or response.has_header("Content-Length")):
            response.headers["Content-Length"] = str(len(response.content))
        add_headers(response, self._headers[request.is_secure()])
        return response

    def _call(self, request: PortalRequest) -> HttpResponse:
        request.get_host()  # as CommonMiddleware: raises for a host that is not in ALLOWED_HOSTS
        if maintenance.is_maintenance_on():
            return maintenance.unavailable_api_response(request)
        if self._routes is None:
            self._routes = import_string(f"{settings.ROOT_URLCONF}.api_routes")
        view, values = self._routes.find(request.path_info)
        response: HttpResponse = render(view(request, **values))
        return response


def constant_headers(secure: bool) -> dict[str, str]:
    """Return what the long way puts on every answer of the API, by having it answer nothing."""
    answer: Any = lambda _request: HttpResponse(status=204)  # noqa: E731
    for middleware in HEADER_MIDDLEWARES:
        answer = middleware(answer)
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": PREFIX, "wsgi.input": io.BytesIO()}
    headers = answer(WSGIRequest({**environ, "wsgi.url_scheme": "https" if secure else "http"})).headers
    del headers["Content-Type"]
    return dict(headers.items())


class Application(WSGIHandler):
    """Django's WSGI application, less what it does around a request for the sake of pages.

    A program's call sends no signals: of what hangs on them it needs that a broken or old connection is closed, once
    before each request. No URL configuration is set for its thread, for it looks none up.
    """

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        """Answer one request."""
        slow_clients.drop_slow_clients()
        if not is_program(environ.get("PATH_INFO", ""), environ.get("HTTP_ACCEPT", "")):
            return self._answer_page(environ, start_response)
        environ[API_FAST_PATH] = True
        set_script_prefix(get_script_name(environ))
        connections[DEFAULT_DB_ALIAS].close_if_unusable_or_obsolete()
        request = self.request_class(environ)
        response = self._middleware_chain(request)  # type: ignore[attr-defined]  # set by load_middleware
        status, headers = f"{response.status_code} {response.reason_phrase}", list(response.items())
        if reader := environ.pop(request_bodies.STILL_READING, None):
            request_bodies.start_body_deadlines(start_response, status, headers)
            return request_bodies.BodyDeadlines(response, reader)
        start_response(status, headers)
        return response if response.streaming else [response.content]

    def _answer_page(self, environ: dict[str, Any], start_response: Any) -> Any:
        if environ.get("HTTP_COOKIE") == "":
            # Here and not in a middleware: the client of Django's tests sends it empty where there are none.
            environ["HTTP_COOKIE"] = UNREADABLE

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            if request_bodies.STILL_READING in environ:
                return request_bodies.start_body_deadlines(start_response, status, headers, exc_info)
            return start_response(status, headers, *([exc_info] if exc_info else []))

        answer = super().__call__(environ, start)
        reader = environ.pop(request_bodies.STILL_READING, None)
        return answer if reader is None else request_bodies.BodyDeadlines(answer, reader)


def application() -> Application:
    """Load the portal and return it for a web server, as ``get_wsgi_application`` does."""
    sys.setswitchinterval(SWITCH_SECONDS)
    django.setup(set_prefix=False)
    return Application()

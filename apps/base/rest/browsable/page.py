"""The pages of the browsable API: one for each response, and the list of all operations at its root."""

from collections.abc import Callable
from functools import partial
from itertools import groupby
from typing import Any

from django.conf import settings
from django.template.loader import render_to_string
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from rest_framework.renderers import BaseRenderer

from apps.base.actor import ActorKind
from apps.base.requests import PortalRequest
from apps.base.rest.browsable.controls import filter_controls
from apps.base.rest.browsable.form_requests import is_form
from apps.base.rest.browsable.operation_forms import (
    OperationForm,
    PageState,
    describe_operation,
    forms_on,
    permission_help,
    reads_below,
)
from apps.base.rest.browsable.paths import (
    Path,
    breadcrumbs,
    every_path,
    object_path,
    page_links,
    with_organization,
)
from apps.base.rest.renderers import ONE_TIME_SECRETS, to_json
from apps.base.templatetags.portal import highlight_code
from apps.base.text.redaction import hide_keys
from apps.base.web.request_locale import reader_preferences

# Headers of pages that JSON responses do not have.
PAGE_HEADERS = ("content-language", "vary")


class BrowsableRenderer(BaseRenderer):
    """``text/html``: the response on a page of the portal, for members."""

    media_type = "text/html"
    format = "html"
    charset = "utf-8"

    def render(self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None) -> str | bytes:
        """Return the page in the reader's language; texts of the API stay English."""
        context = renderer_context or {}
        request: PortalRequest = context["request"]._request
        response = context["response"]
        if response.status_code == 204 and not is_form(request):
            return b""
        language, zone = reader_preferences(request)
        with translation.override(language), timezone.override(zone):
            if response.status_code >= 500:
                return _server_error_page(request, response.status_code)
            page = _page(data, request, response, context["view"], context["kwargs"])
            if response.status_code == 204:
                # A browser shows no page for 204: the page shows the status instead.
                response.status_code = 200
            response["Content-Language"] = language
            return render_to_string(page.pop("template"), page, request=request)


def _server_error_page(request: PortalRequest, status: int) -> str:
    """Return an error page that needs no database, which can be the cause."""
    name = "503" if status == 503 else "500"
    return render_to_string(f"errors/{name}.html", {"request_id": request.request_id})


def _page(data: Any, request: PortalRequest, response: Any, view: Any, values: dict[str, str]) -> dict[str, Any]:
    organization = getattr(request, "organization", None)
    state = PageState(request, Path(view.route, type(view)), values, response.status_code, data)
    frame: dict[str, Any] = {
        "layout": "settings/base.html" if organization is not None else "base.html",
        "slug": state.slug,
        "root": with_organization("/v1/", state.slug),
        # Authenticated; the request of a form without a CSRF token is, too.
        "is_session": organization is not None and request.actor.kind == ActorKind.USER,
    }
    if getattr(view, "is_root", False) and response.status_code == 200:
        return {**frame, "template": "api/root.html", "resources": resources(request)}
    response_context = _response_context(state, response)
    return {**frame, **response_context, **_operations(state, frame["is_session"]), "template": "api/browse.html"}


def _response_context(state: PageState, response: Any) -> dict[str, Any]:
    request, data = state.request, state.data
    link_of = partial(_link_of, state)
    problem = data if state.status >= 400 and isinstance(data, dict) else None
    shown = next((name for name in sorted(ONE_TIME_SECRETS) if isinstance(data, dict) and name in data), "")
    is_known = "{" not in state.path.route or state.values
    path = request.path if is_known else state.path.route
    return {
        "path": path,
        "here": path.strip("/").rpartition("/")[2],
        "crumbs": [(text, with_organization(url, state.slug)) for text, url in breadcrumbs(path, state.path.route)],
        "request_line": hide_keys(f"{request.method} {request.get_full_path()}"),
        "status": state.status,
        "reason": response.reason_phrase,
        "headers": [(name, value) for name, value in response.items() if name.lower() not in PAGE_HEADERS],
        "body": "" if data is None else highlight_code(to_json(data, indent=2), link_of),
        "neighbours": [(relation, NEIGHBOURS[relation](), path) for relation, path in page_links(_link(response))],
        "problem": problem,
        "secret": data[shown] if shown and state.status < 300 else "",
        "must_choose": bool(problem and "organization" in problem.get("fields", {}) and not state.slug),
        "asks_first": bool(problem and problem.get("code") == "reauthentication_required"),
    }


NEIGHBOURS: dict[str, Callable[[], str]] = {
    "first": lambda: _("First"),
    "prev": lambda: _("Previous"),
    "next": lambda: _("Next"),
    "last": lambda: _("Last"),
}


def _link(response: Any) -> str:
    return str(response["Link"]) if response.has_header("Link") else ""


def _link_of(state: PageState, text: str) -> str:
    if text.startswith(f"{settings.PUBLIC_URL}/docs/errors#"):
        return text.removeprefix(settings.PUBLIC_URL)
    path = object_path(text, state.path.route, state.values)
    return "" if path == state.request.path.rstrip("/") else with_organization(path, state.slug)


def _operations(state: PageState, is_session: bool) -> dict[str, Any]:
    """Return the operations of the page; without forms and links where it shows a secret or is a 404."""
    view = state.path.view
    reading = view.operations.get("GET")
    found: dict[str, Any] = {
        "text": describe_operation(view, state.request.method),
        "scopes": [str(each) for each in view.operations[state.request.method].permissions]
        if _has_operation(state)
        else [],
        "is_open_to_all": not view.callers,
    }
    if not is_session or state.status == 404 or not view.operations:
        return found
    forms: list[OperationForm] = [] if _shows_secret(state) else forms_on(state)
    return {
        **found,
        "who": permission_help(state.request, view, state.request.method) if _has_operation(state) else None,
        "search": filter_controls(reading, state.request.GET) if reading and state.request.method == "GET" else [],
        "forms": forms,
        "links": reads_below(state) if state.status < 400 and not _shows_secret(state) else [],
    }


def _has_operation(state: PageState) -> bool:
    return state.request.method in state.path.view.operations


def _shows_secret(state: PageState) -> bool:
    return state.status < 300 and isinstance(state.data, dict) and not ONE_TIME_SECRETS.isdisjoint(state.data)


def resources(request: PortalRequest) -> list[dict[str, Any]]:
    """Return all paths by resource, each operation with whether the reader has its permission."""
    cache: dict[tuple[Any, ...], dict[str, Any] | None] = {}

    def who(view: Any, method: str) -> dict[str, Any] | None:
        key = (*view.operations[method].permissions, *view.callers)
        if key not in cache:
            cache[key] = permission_help(request, view, method)
        return cache[key]

    slug = request.GET.get("organization", "")
    return [
        {
            "name": name,
            "operations": [_row(path, method, who, slug) for path in paths for method in path.view.operations],
        }
        for name, paths in groupby(every_path(), lambda path: path.resource)
    ]


def _row(path: Path, method: str, who: Callable[..., dict[str, Any] | None], slug: str) -> dict[str, Any]:
    view = path.view
    needed = who(view, method)
    can_be_opened = not path.names and "user" in view.callers
    return {
        "method": method,
        "path": path.route,
        "url": with_organization(path.route, slug) if can_be_opened else "",
        "text": describe_operation(view, method),
        "scopes": [str(each) for each in view.operations[method].permissions],
        "may": needed is None,
        "role": needed["role"] if needed else "",
        "is_open_to_all": not view.callers,
    }

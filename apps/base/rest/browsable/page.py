"""Pages of the browsable API: one for every answer, and the list of everything at its root."""

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
    Here,
    OperationForm,
    forms_on,
    reads_below,
    told,
    who_may,
)
from apps.base.rest.browsable.paths import (
    Path,
    every_path,
    neighbours,
    object_path,
    steps,
    with_organization,
)
from apps.base.rest.renderers import ONE_TIME_SECRETS, to_json
from apps.base.telemetry.logging import hide_keys
from apps.base.templatetags.portal import highlight_code
from apps.base.web.request_locale import reader_preferences

# Headers of pages, which a program's answer does not have.
PAGES_OWN = ("content-language", "vary")


class BrowsableRenderer(BaseRenderer):
    """``text/html``: the same answer on a page of the portal, for somebody signed in."""

    media_type = "text/html"
    format = "html"
    charset = "utf-8"

    def render(self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None) -> str | bytes:
        """Return the page in the reader's language; what the API itself says stays English."""
        context = renderer_context or {}
        request: PortalRequest = context["request"]._request
        response = context["response"]
        if response.status_code == 204 and not is_form(request):
            return b""
        language, zone = reader_preferences(request)
        with translation.override(language), timezone.override(zone):
            if response.status_code >= 500:
                return _broken(request, response.status_code)
            page = _page(data, request, response, context["view"], context["kwargs"])
            if response.status_code == 204:
                # A browser shows nothing for 204, and nothing may follow it: the page says it instead.
                response.status_code = 200
            response["Content-Language"] = language
            return render_to_string(page.pop("template"), page, request=request)


def _broken(request: PortalRequest, status: int) -> str:
    """A page that needs no database: that may be what is away."""
    name = "503" if status == 503 else "500"
    return render_to_string(f"errors/{name}.html", {"request_id": request.request_id})


def _page(data: Any, request: PortalRequest, response: Any, view: Any, values: dict[str, str]) -> dict[str, Any]:
    organization = getattr(request, "organization", None)
    here = Here(request, Path(view.route, type(view)), values, response.status_code, data)
    frame: dict[str, Any] = {
        "layout": "settings/base.html" if organization is not None else "base.html",
        "slug": here.slug,
        "root": with_organization("/v1/", here.slug),
        # Let in by the door; a form without its token is refused only after that.
        "is_session": organization is not None and request.actor.kind == ActorKind.USER,
    }
    if getattr(view, "is_root", False) and response.status_code == 200:
        return {**frame, "template": "api/root.html", "resources": resources(request)}
    answer = _answer(here, response)
    return {**frame, **answer, **_operations(here, frame["is_session"]), "template": "api/browse.html"}


def _answer(here: Here, response: Any) -> dict[str, Any]:
    request, data = here.request, here.data
    link_of = partial(_link_of, here)
    problem = data if here.status >= 400 and isinstance(data, dict) else None
    shown = next((name for name in sorted(ONE_TIME_SECRETS) if isinstance(data, dict) and name in data), "")
    is_known = "{" not in here.path.route or here.values
    path = request.path if is_known else here.path.route
    return {
        "path": path,
        "here": path.strip("/").rpartition("/")[2],
        "crumbs": [(text, with_organization(leads, here.slug)) for text, leads in steps(path, here.path.route)],
        "request_line": hide_keys(f"{request.method} {request.get_full_path()}"),
        "status": here.status,
        "reason": response.reason_phrase,
        "headers": [(name, value) for name, value in response.items() if name.lower() not in PAGES_OWN],
        "body": "" if data is None else highlight_code(to_json(data, indent=2), link_of),
        "neighbours": [(relation, NEIGHBOURS[relation](), path) for relation, path in neighbours(_link(response))],
        "problem": problem,
        "secret": data[shown] if shown and here.status < 300 else "",
        "must_choose": bool(problem and "organization" in problem.get("fields", {}) and not here.slug),
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


def _link_of(here: Here, text: str) -> str:
    if text.startswith(f"{settings.PUBLIC_URL}/docs/errors#"):
        return text.removeprefix(settings.PUBLIC_URL)
    path = object_path(text, here.path.route, here.values)
    return "" if path == here.request.path.rstrip("/") else with_organization(path, here.slug)


def _operations(here: Here, is_session: bool) -> dict[str, Any]:
    """What can be done from here. An answer that shows a secret stands alone, and so does one about nothing."""
    view = here.path.view
    reading = view.operations.get("GET")
    found: dict[str, Any] = {
        "text": told(view, here.request.method),
        "scopes": [str(each) for each in view.operations[here.request.method].needs] if _takes(here) else [],
        "is_open_to_all": not view.callers,
    }
    if not is_session or here.status == 404 or not view.operations:
        return found
    forms: list[OperationForm] = [] if _shows_secret(here) else forms_on(here)
    return {
        **found,
        "who": who_may(here.request, view, here.request.method) if _takes(here) else None,
        "search": filter_controls(reading, here.request.GET) if reading and here.request.method == "GET" else [],
        "forms": forms,
        "links": reads_below(here) if here.status < 400 and not _shows_secret(here) else [],
    }


def _takes(here: Here) -> bool:
    return here.request.method in here.path.view.operations


def _shows_secret(here: Here) -> bool:
    return here.status < 300 and isinstance(here.data, dict) and not ONE_TIME_SECRETS.isdisjoint(here.data)


def resources(request: PortalRequest) -> list[dict[str, Any]]:
    """Return every path by its resource, each operation with whether the reader may."""
    asked: dict[tuple[Any, ...], dict[str, Any] | None] = {}

    def who(view: Any, method: str) -> dict[str, Any] | None:
        place = (*view.operations[method].needs, *view.callers)
        if place not in asked:
            asked[place] = who_may(request, view, method)
        return asked[place]

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
        "text": told(view, method),
        "scopes": [str(each) for each in view.operations[method].needs],
        "may": needed is None,
        "role": needed["role"] if needed else "",
        "is_open_to_all": not view.callers,
    }

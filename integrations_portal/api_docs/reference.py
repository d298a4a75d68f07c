"""The API reference, generated from routes, views and operations."""

import json
from collections.abc import Iterator
from itertools import groupby
from typing import Any, NamedTuple

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.http import urlencode
from django.utils.translation import gettext_lazy as _

from apps.base.permissions import ADMIN
from apps.base.rest.operations import METHODS, PAGE_PARAMETERS, Operation, ResponseSpec
from apps.base.rest.snippets import LANGUAGES, SnippetRequest, render_snippet, request_for
from integrations_portal.api_docs.reader import page, reader_of

# First path segment of each resource, and its heading.
RESOURCES: dict[str, Promise] = {
    "me": _("The calling key"),
    "users": _("Users"),
    "invitations": _("Invitations"),
    "api-keys": _("API keys"),
    "leaked-keys": _("Leaked keys"),
    "descendants": _("What a user or key created"),
    "usage": _("Usage"),
    "sdk-keys": _("SDK keys"),
    "sdk": _("For apps, with an SDK key"),
    "webhook-endpoints": _("Webhook endpoints"),
    "replays": _("Replays"),
    "event-types": _("Event types"),
    "events": _("Events"),
    "deliveries": _("Deliveries"),
    "audit-log": _("Audit log"),
}


class ServedOperation(NamedTuple):
    """An operation with its route, method, required scopes and kinds of callers."""

    route: str
    method: str
    scopes: tuple[str, ...]
    callers: tuple[str, ...]
    operation: Operation

    @property
    def snippet_request(self) -> SnippetRequest:
        """Return the operation as a request for code snippets."""
        return request_for(self.operation, self.method, self.route, self.callers)


def served_operations(routes: list[Any]) -> Iterator[ServedOperation]:
    """Yield every operation of the API, path by path."""
    for route in routes:
        view, path = route.callback.view_class, route.callback.view_initkwargs["route"]
        for method in METHODS:
            if method in view.operations:
                scopes = view.operations[method].permissions
                names = (*map(str, scopes), *((ADMIN,) if scopes else ()))
                yield ServedOperation(path, method, names, view.callers, view.operations[method])


def reference(request: HttpRequest, routes: list[Any]) -> HttpResponse:
    """Show each operation with its parameters, responses and code in the chosen language."""
    asked = request.GET.get("lang", "")
    language = asked if asked in LANGUAGES else "curl"
    reader = reader_of(request)
    page_url = reverse("reference")
    organization_query = {"organization": reader.slug} if reader.query else {}
    languages = [
        {
            "url": f"{page_url}?{urlencode({'lang': key, **organization_query})}",
            "label": title,
            "current": key == language,
        }
        for key, title in LANGUAGES.items()
    ]
    context = {"resources": _resources(routes, language), "languages": languages, "language": LANGUAGES[language]}
    return page(request, "reference", context, reader)


def _resources(routes: list[Any], language: str) -> list[dict[str, Any]]:
    order = list(RESOURCES)
    every = [(_resource(each.route), each) for each in served_operations(routes)]
    every.sort(key=lambda pair: order.index(pair[0]) if pair[0] in order else len(order))
    return [
        {
            "name": name,
            "title": RESOURCES.get(name, name),
            "operations": [_operation_context(each, language) for _name, each in group],
        }
        for name, group in groupby(every, key=lambda pair: pair[0])
    ]


def _resource(route: str) -> str:
    return route.removeprefix("/v1/").partition("/")[0]


def _operation_context(each: ServedOperation, language: str) -> dict[str, Any]:
    operation = each.operation
    return {
        "id": operation.id,
        "method": each.method,
        "path": each.route,
        "text": operation.summary,
        "scopes": each.scopes,
        "is_open": not each.callers,
        "is_for_apps": "sdk_key" in each.callers,
        "parameters": [(parameter.name, parameter.text) for parameter in operation.parameters],
        "paging": ", ".join(PAGE_PARAMETERS[operation.paging]) if operation.paging else "",
        "answers": [_response_context(status, response) for status, response in operation.responses.items()],
        "refuses": operation.error_codes,
        "code": render_snippet(each.snippet_request, language),
    }


def _response_context(status: int, response: ResponseSpec) -> dict[str, Any]:
    example = "" if response.serializer is None else json.dumps(response.example, indent=2, ensure_ascii=False)
    return {"status": status, "text": response.text, "example": example, "media_types": response.media_types}

"""The API reference, generated from routes, views and operations: every operation, and every field of each object."""

import json
from collections.abc import Iterator
from itertools import groupby
from typing import Any, NamedTuple

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.http import urlencode
from django.utils.translation import gettext_lazy as _

from apps.base.rest.operations import METHODS, Operation, ResponseSpec
from apps.base.rest.serializers import ApiSerializer
from apps.base.rest.snippets import LANGUAGES, SnippetRequest, render_snippet, request_for
from apps.orgs.roles import OWNER
from integrations_portal.api_docs.field_rows import FieldRow, field_rows, parameter_row
from integrations_portal.api_docs.openapi.components import ErrorResponseSerializer
from integrations_portal.api_docs.openapi.document import described_parameters, scopes_of
from integrations_portal.api_docs.reader import Reader, page, reader_of

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
# A search with at most so many results shows them expanded.
MOST_EXPANDED = 3


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

    @property
    def is_for_members(self) -> bool:
        """Return whether a role can do it, so that the browsable API has a form for it."""
        return "user" in self.callers and (not self.scopes or not OWNER.isdisjoint(self.scopes))

    @property
    def resource(self) -> str:
        """Return the first segment of the route."""
        return self.route.removeprefix("/v1/").partition("/")[0]


def served_operations(routes: list[Any]) -> Iterator[ServedOperation]:
    """Yield every operation of the API, path by path."""
    for route in routes:
        view, path = route.callback.view_class, route.callback.view_initkwargs["route"]
        for method in METHODS:
            if method in view.operations:
                operation = view.operations[method]
                yield ServedOperation(path, method, tuple(scopes_of(view, operation)), view.callers, operation)


def reference(request: HttpRequest, routes: list[Any]) -> HttpResponse:
    """Show each operation with its parameters, its body, its responses, and code in the chosen language.

    ``?q=``: only the operations and objects in which every one of these words stands. ``?lang=``: one of LANGUAGES.
    """
    asked, search = request.GET.get("lang", ""), request.GET.get("q", "").strip()
    language = asked if asked in LANGUAGES else "curl"
    reader = reader_of(request)
    resources = _resources(routes, language)
    if search:
        resources = _found(resources, search.lower().split())
    context = {
        "resources": resources,
        "languages": _language_tabs(language, search, reader),
        "language": LANGUAGES[language],
        "lang": asked,
        "search": search,
        "whole_page": f"{reverse('reference')}{reader.query}" if search else "",
    }
    return page(request, "reference", context, reader)


def _language_tabs(language: str, search: str, reader: Reader) -> list[dict[str, Any]]:
    kept = {**({"q": search} if search else {}), **({"organization": reader.slug} if reader.query else {})}
    return [
        {
            "url": f"{reverse('reference')}?{urlencode({'lang': key, **kept})}",
            "label": title,
            "current": key == language,
        }
        for key, title in LANGUAGES.items()
    ]


def _resources(routes: list[Any], language: str) -> list[dict[str, Any]]:
    """Return every resource; each object is shown once, with the first resource that answers with it."""
    order = list(RESOURCES)
    every = sorted(
        served_operations(routes),
        key=lambda each: order.index(each.resource) if each.resource in order else len(order),
    )
    found = []
    shown: set[type[ApiSerializer]] = {ErrorResponseSerializer}
    for name, group in groupby(every, key=lambda each: each.resource):
        operations = list(group)
        answered = [each for served in operations for each in _answered(served.operation) if each not in shown]
        shown.update(answered)
        found.append(
            {
                "name": name,
                "title": RESOURCES.get(name, name),
                "operations": [_operation_context(each, language) for each in operations],
                "objects": [_object_context(each) for each in dict.fromkeys(answered)],
            }
        )
    errors = {"name": "errors", "title": _("Errors"), "operations": []}
    return [*found, {**errors, "objects": [_object_context(ErrorResponseSerializer)]}]


def _answered(operation: Operation) -> list[type[ApiSerializer]]:
    return [response.serializer for response in operation.responses.values() if response.serializer is not None]


def _operation_context(each: ServedOperation, language: str) -> dict[str, Any]:
    operation = each.operation
    parameters = [parameter_row(parameter) for parameter in described_parameters(operation, each.route)]
    body = list(field_rows(operation.body)) if operation.body else []
    return {
        "id": operation.id,
        "method": each.method,
        "path": each.route,
        "text": operation.summary,
        "scopes": each.scopes,
        "is_open": not each.callers,
        "is_for_apps": "sdk_key" in each.callers,
        "can_be_tried": each.is_for_members,
        "parameters": parameters,
        "body": body,
        "answers": [_response_context(status, response) for status, response in operation.responses.items()],
        "refuses": operation.error_codes,
        "code": render_snippet(each.snippet_request, language),
        "searched": _searched(
            [operation.id, each.method, each.route, operation.summary, *operation.error_codes], [*parameters, *body]
        ),
    }


def _response_context(status: int, response: ResponseSpec) -> dict[str, Any]:
    return {
        "status": status,
        "text": response.text,
        "object": response.serializer.schema_name() if response.serializer else "",
        "many": response.many,
        "example": "" if response.serializer is None else json.dumps(response.example, indent=2, ensure_ascii=False),
        "media_types": response.media_types,
    }


def _object_context(serializer: type[ApiSerializer]) -> dict[str, Any]:
    name, text, fields = serializer.schema_name(), serializer.schema_text(), list(field_rows(serializer))
    return {"id": name, "text": text, "fields": fields, "searched": _searched([name, text], fields)}


def _searched(texts: list[str], rows: list[FieldRow]) -> str:
    return " ".join([*texts, *(row.searched for row in rows)]).lower()


def _found(resources: list[dict[str, Any]], words: list[str]) -> list[dict[str, Any]]:
    """Return the resources with only the operations and objects that have every word, expanded where they are few."""
    kinds = ("operations", "objects")

    def matching(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [each for each in entries if all(word in each["searched"] for word in words)]

    found = [{**each, **{kind: matching(each[kind]) for kind in kinds}} for each in resources]
    results = [one for each in found for kind in kinds for one in each[kind]]
    for one in results:
        one["is_expanded"] = len(results) <= MOST_EXPANDED
    return [each for each in found if any(each[kind] for kind in kinds)]

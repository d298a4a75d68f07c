"""The OpenAPI document: paths, shared components, and the webhooks of the event catalogue."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from django.conf import settings
from django.urls import URLPattern

from apps.base.error_codes import ERROR_CODES, AppliesTo
from apps.base.permissions import ADMIN
from apps.base.rest.fields import EXAMPLE_ID_SUFFIX, Schema
from apps.base.rest.operations import METHODS, Operation, Parameter, ResponseSpec
from apps.base.rest.views import PortalView
from apps.webhooks.models import EventType
from integrations_portal import __version__
from integrations_portal.api_docs.openapi.components import ErrorResponseSerializer, SharedComponents, header_references
from integrations_portal.api_docs.openapi.headers import HEADERS, PARAMETERS, response_headers, shared_parameters
from integrations_portal.api_docs.openapi.tags import TAG_DESCRIPTIONS, TAGS
from integrations_portal.api_docs.openapi.webhooks import webhooks

PATH_PARAMETERS = {"id": "The object's id.", "act": "The activation's id.", "name": "The event type's name."}
SECURITY: list[dict[str, list[str]]] = [{"bearer": []}, {"header": []}, {"basic": []}]
SCHEMES = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "`Authorization: Bearer KEY`. `Authorization: x-api-key KEY` is taken, too.",
    },
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "`X-API-Key: KEY`."},
    "basic": {"type": "http", "scheme": "basic", "description": "The key as user name, without a password."},
}


INTRODUCTION = """JSON in, JSON out, UTF-8. Times are UTC with `Z`.

Every error has the same shape: a sentence, a code that does not change, the request's id, and a link to what it means.

Unknown fields of a body and unknown parameters of a query string are refused, and so is a parameter that is sent twice.
A path may end with a slash or without."""


def document(routes: Sequence[URLPattern], event_types: Iterable[EventType]) -> dict[str, Any]:
    """Return the document for these routes of ``/v1`` and these event types."""
    shared = SharedComponents()
    shared.add(ErrorResponseSerializer)
    paths: dict[str, Any] = {}
    for route in routes:
        view, path = route.callback.view_class, route.callback.view_initkwargs["route"]  # type: ignore[attr-defined]  # what as_view() puts on a function
        item = {
            method.lower(): _operation(view, method, path, shared) for method in METHODS if method in view.operations
        }
        paths[path] = item
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Integrations Portal",
            "version": __version__,
            "description": INTRODUCTION,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": settings.PUBLIC_URL}],
        "security": SECURITY,
        "tags": [{"name": name, "description": text} for name, text in TAG_DESCRIPTIONS.items()],
        "paths": paths,
        "webhooks": webhooks(event_types),
        "components": {
            "schemas": dict(sorted(shared.schemas.items())),
            "responses": dict(sorted(shared.responses.items())),
            "parameters": PARAMETERS,
            "headers": HEADERS,
            "examples": shared.examples,
            "securitySchemes": SCHEMES,
        },
    }


def scopes_of(view: type[PortalView], operation: Operation) -> list[str]:
    """Return the scopes of which one is required, or an empty list if any key is enough."""
    return [*map(str, operation.permissions), ADMIN] if operation.permissions and view.callers else []


def _operation(view: type[PortalView], method: str, path: str, shared: SharedComponents) -> dict[str, Any]:
    operation = view.operations[method]
    scopes = scopes_of(view, operation)
    found: dict[str, Any] = {
        "operationId": operation.id,
        "summary": operation.summary,
        "description": _access_description(view, scopes),
        "tags": [TAGS[path.split("/")[2]][0]],
        "x-scopes": scopes,
        **_credential(view),
        "parameters": [
            *_path_parameters(path),
            *({"$ref": f"#/components/parameters/{name}"} for name in shared_parameters(operation)),
            *map(_parameter, operation.parameters),
        ],
    }
    if operation.body is not None and operation.body.has_fields():
        found["requestBody"] = _request_body(operation, shared)
    found["responses"] = _responses(view, operation, path, shared)
    if not view.callers:
        found["security"] = []
    return found


def _access_description(view: type[PortalView], scopes: list[str]) -> str:
    if not view.callers:
        return "No key is needed."
    if scopes:
        return "Scope: " + " or ".join(f"`{scope}`" for scope in scopes) + "."
    return "An SDK key." if view.callers == ("sdk_key",) else "Any API key."


def described_parameters(operation: Operation, path: str) -> list[Schema]:
    """Return all parameters of an operation, written out: of the path, its own, and those that operations share."""
    shared = [PARAMETERS[name] for name in shared_parameters(operation)]
    return [*_path_parameters(path), *map(_parameter, operation.parameters), *shared]


def _credential(view: type[PortalView]) -> dict[str, str]:
    """Return which kind of key an operation takes: the security schemes are the same for both kinds."""
    if not view.callers:
        return {}
    return {"x-credential": "sdk_key" if "sdk_key" in view.callers else "api_key"}


def _path_parameters(path: str) -> list[Schema]:
    prefix = TAGS[path.split("/")[2]][1]
    return [_path_parameter(name, prefix) for name in re.findall(r"{(\w+)}", path)]


def _path_parameter(name: str, prefix: str) -> Schema:
    common = {"name": name, "in": "path", "required": True, "description": PATH_PARAMETERS[name]}
    if not prefix:
        return {**common, "schema": {"type": "string"}, "example": "order.created"}
    prefix = "act" if name == "act" else prefix
    return {
        **common,
        "schema": {"type": "string", "pattern": f"^{prefix}_[0-9A-Za-z]{{22}}$"},
        "example": f"{prefix}_{EXAMPLE_ID_SUFFIX}",
    }


def _parameter(parameter: Parameter) -> Schema:
    found: Schema = {
        "name": parameter.name,
        "in": parameter.where,
        "description": parameter.text,
        "required": parameter.required,
        "schema": {"type": "array", "items": parameter.schema} if parameter.many else parameter.schema,
    }
    if parameter.many:
        found["description"] += " Repeat the parameter, or separate values with commas."
    return found if parameter.example is None else {**found, "example": parameter.example}


def _request_body(operation: Operation, shared: SharedComponents) -> Schema:
    assert operation.body is not None
    schema = operation.body.schema()
    return {
        "required": bool(schema.get("required") or schema.get("minProperties")),
        "content": {"application/json": {"schema": shared.add(operation.body)}},
    }


def _responses(view: type[PortalView], operation: Operation, path: str, shared: SharedComponents) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for status, response in operation.responses.items():
        found[str(status)] = {
            "description": response.text,
            "headers": header_references(response_headers(view, operation, status)),
            **_content(operation, status, response, shared),
        }
    if operation.etag:
        header_refs = header_references(response_headers(view, operation, 304))
        found["304"] = {"description": "Nothing new: the caller holds it.", "headers": header_refs}
    for status, codes in codes_of(view, operation, path).items():
        headers = response_headers(view, operation, status)
        found[str(status)] = {"$ref": f"#/components/responses/{shared.error_response(status, codes, headers)}"}
    return found


def _content(operation: Operation, status: int, response: ResponseSpec, shared: SharedComponents) -> dict[str, Any]:
    if response.media_types:
        return {"content": {name: {"schema": {"type": "string"}} for name in response.media_types}}
    if response.serializer is None:
        return {}
    schema = shared.add(response.serializer)
    if response.many:
        schema = {"type": "array", "items": schema}
    values = {"usual": response.example, **operation.more_examples}
    named = {name.replace(" ", "-"): value for name, value in values.items()}
    examples = {name: shared.add_example(f"{operation.id}-{status}-{name}", value) for name, value in named.items()}
    return {"content": {"application/json": {"schema": schema, "examples": examples}}}


def codes_of(view: type[PortalView], operation: Operation, path: str) -> dict[int, list[str]]:
    """Return the error codes of an operation by status, in the order of the catalogue."""
    applies = {
        AppliesTo.ALL: True,
        AppliesTo.WITH_KEY: bool(view.callers),
        AppliesTo.WITH_BODY: operation.body is not None,
        AppliesTo.ON_ONE_OBJECT: "{" in path,
        AppliesTo.CONDITIONAL: operation.etag or operation.if_match,
        AppliesTo.IDEMPOTENT: operation.idempotent,
        AppliesTo.NAMED: False,
    }
    by_status: dict[int, list[str]] = {}
    for code, error_code in ERROR_CODES.items():
        if code in operation.error_codes or applies[error_code.applies_to]:
            by_status.setdefault(error_code.status, []).append(code)
    return by_status

"""Check responses of the API against its OpenAPI document: each request of every test, and the fuzzer's."""

import json
from collections.abc import Mapping
from functools import cache, cached_property
from typing import Any

import jsonschema_rs

from apps.base.rest.content_negotiation import requests_html
from integrations_portal.api_docs.openapi.document import document
from integrations_portal.urls import api_routes, documented

# What HTTP itself has on every answer, and what tells browsers to be careful: no part of what an operation says.
OF_EVERY_ANSWER = (
    *("Content-Type", "Content-Length", "Allow", "Vary", "Cache-Control"),
    *("Content-Security-Policy", "Cross-Origin-Opener-Policy", "Cross-Origin-Resource-Policy", "Permissions-Policy"),
    *("Referrer-Policy", "X-Content-Type-Options", "X-Frame-Options", "X-Robots-Tag", "Strict-Transport-Security"),
)
GENERAL = {name.lower() for name in OF_EVERY_ANSWER}
UNKNOWN = "/v1/*"
Complaints = list[str]


class Contract:
    """The document with its schemas compiled, each at the first answer that needs it."""

    @cached_property
    def document(self) -> dict[str, Any]:
        """The document, less the webhooks."""
        return document(documented, ())

    @cached_property
    def _views(self) -> dict[str, str]:
        callbacks: list[Any] = [route.callback for route in documented]
        return {each.view_initkwargs["route"]: each.view_class.__name__ for each in callbacks}

    def view_name(self, route: str) -> str:
        """The name of the view class that a route leads to."""
        return self._views[route]

    @cache  # noqa: B019 -- one object for the whole run
    def response(self, route: str, method: str, status: int) -> Mapping[str, Any] | None:
        """What the document says of an answer; None: nothing."""
        operation = self.document["paths"].get(route, {}).get("get" if method == "HEAD" else method.lower())
        if operation is None:
            return self._of_no_operation(status)
        found = operation["responses"].get(str(status))
        return self._followed(found) if found else None

    def _of_no_operation(self, status: int) -> Mapping[str, Any] | None:
        """What answers a path or a method that is not there: an error of the one shape."""
        if status < 400:
            return None
        error = {"$ref": "#/components/schemas/ErrorResponse"}
        names = (
            "X-Request-ID",
            *{401: ["WWW-Authenticate"], 429: ["Retry-After"], 503: ["Retry-After"]}.get(status, ()),
        )
        headers = {name: {"$ref": f"#/components/headers/{name}"} for name in names}
        limits = {name: each for name, each in self.document["components"]["headers"].items() if "RateLimit" in name}
        return {"headers": {**headers, **limits}, "content": {"application/json": {"schema": error}}}

    def _followed(self, found: Mapping[str, Any]) -> Mapping[str, Any]:
        while "$ref" in found:
            kind, name = found["$ref"].split("/")[-2:]
            found = self.document["components"][kind][name]
        return found

    @cache  # noqa: B019
    def schema(self, route: str, method: str, status: int, media_type: str) -> Any:
        """The compiled schema of a body."""
        found = self.response(route, method, status)
        assert found is not None
        return self._compiled(found["content"][media_type]["schema"])

    def _compiled(self, schema: Mapping[str, Any]) -> Any:
        schemas = closed(self.document["components"]["schemas"])
        whole = {**closed(schema), "components": {"schemas": schemas}}
        return jsonschema_rs.Draft202012Validator(whole, validate_formats=True)

    @cache  # noqa: B019
    def headers(self, route: str, method: str, status: int) -> dict[str, tuple[bool, Any, Any]]:
        """Of each header by its name in small letters: whether it must be there, how it is read, its schema."""
        found = self.response(route, method, status)
        named = {name: self._followed(each) for name, each in (found or {}).get("headers", {}).items()}
        return {
            name.lower(): (
                each["required"],
                _whole if each["schema"]["type"] == "integer" else str,
                jsonschema_rs.Draft202012Validator(each["schema"]),
            )
            for name, each in named.items()
        }

    def check(self, environ: Mapping[str, Any], response: Any) -> None:
        """Fail where an answer of the API to a program is not as documented; other answers are none of its business."""
        path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
        if not path.startswith("/v1/") or requests_html(environ.get("HTTP_ACCEPT", "")):
            return
        if method == "OPTIONS" and "HTTP_ACCESS_CONTROL_REQUEST_METHOD" in environ:
            return
        view, _values = api_routes.find(path)
        route: str = view.view_initkwargs["route"]  # type: ignore[attr-defined]
        body = None if response.streaming else response.content
        wrong = self.complaints(route, method, response.status_code, response.headers, body)
        assert not wrong, f"not as documented: {method} {route} {response.status_code}: {'; '.join(wrong)}"

    def complaints(
        self, route: str, method: str, status: int, headers: Mapping[str, str], body: bytes | None
    ) -> Complaints:
        """What is wrong with an answer; ``body`` None: it was streamed."""
        found = self.response(route, method, status)
        if found is None:
            return [f"{status} is not documented"]
        given = {name.lower(): value for name, value in headers.items()}
        wrong = self._of_headers(route, method, status, given)
        media_type = given.get("content-type", "").partition(";")[0]
        content = found.get("content", {})
        if not content and (body or media_type):
            wrong.append(f"a body of {media_type} where the document says that there is none")
        elif content and media_type not in content:
            wrong.append(f"{media_type or 'no body'} is not documented")
        elif media_type == "application/json" and method != "HEAD" and body is not None:
            checker, sent = self.schema(route, method, status, media_type), as_sent(body)
            wrong += [
                f"body: {error.message[:300]} at {list(error.instance_path)}" for error in checker.iter_errors(sent)
            ]
            if "x-codes" in found and sent["code"] not in found["x-codes"]:
                wrong.append(f"the code {sent['code']} is not documented")
        return wrong

    def _of_headers(self, route: str, method: str, status: int, given: Mapping[str, str]) -> Complaints:
        documented = self.headers(route, method, status)
        wrong = [f"header {name} is not documented" for name in given.keys() - documented.keys() - GENERAL]
        for name, (is_required, read, checker) in documented.items():
            if name in given:
                wrong += [f"header {name}: {error.message}" for error in checker.iter_errors(read(given[name]))]
            elif is_required:
                wrong.append(f"header {name} is missing")
        if status == 405 and "allow" not in given:
            wrong.append("header allow is missing")
        return wrong


def closed(schema: Any) -> Any:
    """Return a schema of answers without what leaves room for later versions: other fields, and other words."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: closed(each) for name, each in schema.items()}
    if isinstance(found.get("properties"), dict):
        found.setdefault("additionalProperties", False)
    if "x-extensible-enum" in found:
        found["enum"] = [*found["x-extensible-enum"], *([None] if "null" in found["type"] else [])]
    return found


def as_sent(body: bytes) -> Any:
    """Return the value of a JSON text, in which an integer written with a fraction (``14.0``) is not whole.

    A schema takes it for an integer; clients in Go and Rust, and pydantic, refuse it.
    """
    return json.loads(body, parse_float=_with_fraction)


def _with_fraction(text: str) -> float:
    number = float(text)
    return number + 0.5 if number.is_integer() else number


def _whole(text: str) -> int | str:
    """A header's value where the schema asks for a number."""
    return int(text) if text.isascii() and text.isdigit() else text

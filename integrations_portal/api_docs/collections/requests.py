"""The requests of an OpenAPI document as collections have them: one per operation, in folders by tag."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from apps.base.rest.renderers import to_json

JSON_TYPE = "application/json"
PATH_PARAMETER = re.compile(r"{(\w+)}")
# The variables that a reader sets, by the kind of key that an operation takes (``x-credential``).
KEY_VARIABLES = {"api_key": "API_KEY", "sdk_key": "SDK_KEY"}
# The key of requests that do not name another.
DEFAULT_KEY = KEY_VARIABLES["api_key"]
URL_VARIABLE = "baseUrl"
KEY_HINT = (
    "Set the variable `API_KEY` to an API key. Requests that an app makes with an SDK key use the variable `SDK_KEY`."
)


@dataclass(frozen=True)
class Field:
    """A parameter of the path, the query or the headers, with a value to begin with; empty if there is none."""

    name: str
    where: str
    text: str
    value: str
    is_required: bool


@dataclass(frozen=True)
class ExampleResponse:
    """A successful response. ``body`` is empty where the response has none."""

    name: str
    status: int
    media_type: str
    body: str


@dataclass(frozen=True)
class ApiRequest:
    """One operation; ``path`` has its parameters as ``:name``, ``key_variable`` is empty if it takes no key.

    ``body`` is the JSON text of the document's example, or None if the operation has no body.
    """

    id: str
    name: str
    text: str
    method: str
    path: str
    key_variable: str
    fields: tuple[Field, ...]
    body: str | None
    responses: tuple[ExampleResponse, ...]

    @property
    def query_string(self) -> str:
        """Return the parameters that a request cannot do without, with a question mark, or an empty string."""
        sent = [f"{each.name}={quote(each.value, safe='')}" for each in self.fields_in("query") if each.is_required]
        return f"?{'&'.join(sent)}" if sent else ""

    @property
    def url(self) -> str:
        """Return the URL as both programs write it, after the variable with the portal's address."""
        return f"{variable(URL_VARIABLE)}{self.path}{self.query_string}"

    def fields_in(self, where: str) -> list[Field]:
        """Return the parameters of the ``path``, the ``query`` or the ``header``."""
        return [field for field in self.fields if field.where == where]


@dataclass(frozen=True)
class Folder:
    """The requests with one tag."""

    name: str
    text: str
    requests: tuple[ApiRequest, ...]


def variable(name: str) -> str:
    """Return a variable as both programs write it."""
    return f"{{{{{name}}}}}"


def folders(document: dict[str, Any]) -> list[Folder]:
    """Return the operations by tag, in the order of the document's tags and paths."""
    texts = {tag["name"]: tag.get("description", "") for tag in document["tags"]}
    by_tag: dict[str, list[ApiRequest]] = {name: [] for name in texts}
    for path, item in document["paths"].items():
        for method, operation in item.items():
            by_tag.setdefault(operation["tags"][0], []).append(_request(document, path, method, operation))
    return [Folder(name, texts.get(name, ""), tuple(each)) for name, each in by_tag.items() if each]


def introduction(document: dict[str, Any]) -> str:
    """Return the description of a collection."""
    return f"{document['info']['description']}\n\n{KEY_HINT}"


def server_url(document: dict[str, Any]) -> str:
    """Return the portal's address."""
    url: str = document["servers"][0]["url"]
    return url


def _request(document: dict[str, Any], path: str, method: str, operation: dict[str, Any]) -> ApiRequest:
    is_open = operation.get("security") == []
    return ApiRequest(
        id=operation["operationId"],
        name=operation["summary"],
        text=operation["description"],
        method=method.upper(),
        path=PATH_PARAMETER.sub(r":\1", path),
        key_variable="" if is_open else KEY_VARIABLES[operation["x-credential"]],
        fields=tuple(_field(document, _resolved(document, each)) for each in operation["parameters"]),
        body=_body(document, operation),
        responses=tuple(_responses(document, operation)),
    )


def _resolved(document: dict[str, Any], value: dict[str, Any]) -> dict[str, Any]:
    """Return what a reference leads to, or the value itself."""
    while "$ref" in value:
        target: Any = document
        for part in value["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        value = target
    return value


def _field(document: dict[str, Any], parameter: dict[str, Any]) -> Field:
    value = _value(parameter, _resolved(document, parameter["schema"]))
    return Field(
        name=parameter["name"],
        where=parameter["in"],
        text=parameter["description"],
        value=value if isinstance(value, str) else to_json(value),
        is_required=parameter.get("required", False),
    )


def _value(parameter: dict[str, Any], schema: dict[str, Any]) -> Any:
    """Return the example of a parameter, else its default, else the first value that it can have."""
    if "example" in parameter:
        return parameter["example"]
    choices = (schema.get("enum") or schema.get("items", {}).get("enum") or [""])[:1]
    return schema.get("default", choices[0])


def _body(document: dict[str, Any], operation: dict[str, Any]) -> str | None:
    if "requestBody" not in operation:
        return None
    media = _resolved(document, operation["requestBody"])["content"][JSON_TYPE]
    named = _named_examples(document, media)
    example = next(iter(named.values())) if named else _resolved(document, media["schema"])["examples"][0]
    return to_json(example, indent=2)


def _named_examples(document: dict[str, Any], media: dict[str, Any]) -> dict[str, Any]:
    found = {name: _resolved(document, each)["value"] for name, each in media.get("examples", {}).items()}
    return {"usual": media["example"], **found} if "example" in media else found


def _responses(document: dict[str, Any], operation: dict[str, Any]) -> Iterator[ExampleResponse]:
    """Yield every example of the successful responses; one with a body of which there is no example is left out."""
    for status, reference in operation["responses"].items():
        if not status.startswith("2"):
            continue
        response = _resolved(document, reference)
        if not response.get("content"):
            yield ExampleResponse(response["description"], int(status), "", "")
        for media_type, media in response.get("content", {}).items():
            for number, (name, value) in enumerate(_named_examples(document, media).items()):
                title = response["description"] if number == 0 else name.replace("-", " ").capitalize()
                yield ExampleResponse(title, int(status), media_type, to_json(value, indent=2))

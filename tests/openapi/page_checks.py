"""Compare docs/api.md with what the serializers and operations declare: ``complaints`` says what is not alike."""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import jsonschema_rs

from apps.audit.timeline.serialization import COLUMNS
from apps.base.error_codes import ERROR_CODES
from apps.base.permissions import PORTAL_SCOPES
from apps.base.rest.operations import PAGE_PARAMETERS, Paging
from tests.contract import Contract, closed
from tests.openapi.api_page import ELLIPSIS, EXAMPLE, SCOPE, Call, Shape, calls, example_of, resources, rows, sections

CONTRACT = Contract()
PAGING = {*PAGE_PARAMETERS[Paging.OFFSET], *PAGE_PARAMETERS[Paging.CURSOR]}
ONE_OF = re.compile(r"`([\w.]+)` is one of ((?:`[^`]+`(?:,\s|\sor\s)?)+)")
CODE = re.compile(r"(?<!\d)([45]\d\d)\s`([a-z_]+)`")
# A number beside the name of a field: a limit, which is in the declaration.
LIMIT = re.compile(
    r"`(\w+)`\??(?::| has| have| is)?\s\(?(?:up to |at most )?\d[\d,]*(?:–[\d,]+)?(?: characters)?\b(?!\s`)"
)


@cache
def operations() -> dict[str, dict[str, Any]]:
    """The operations of the API, such as ``GET /v1/me``."""
    paths = CONTRACT.document["paths"].items()
    return {f"{method.upper()} {path}": each for path, item in paths for method, each in item.items()}


def followed(schema: Any) -> Any:
    """Return a schema, that of a reference instead of it."""
    return CONTRACT.document["components"]["schemas"][schema["$ref"].split("/")[-1]] if "$ref" in schema else schema


def body_of(operation: dict[str, Any]) -> Any:
    """Return the schema of a body; of none that of an object without fields."""
    content = operation.get("requestBody", {}).get("content", {"application/json": {"schema": {"type": "object"}}})
    return followed(content["application/json"]["schema"])


def answers_of(operation: dict[str, Any]) -> list[Any]:
    """Return the schemas of the successful answers in JSON."""
    found = [each.get("content", {}) for status, each in operation["responses"].items() if status < "300"]
    return [content["application/json"]["schema"] for content in found if "application/json" in content]


def query_of(operation: dict[str, Any]) -> dict[str, Any]:
    """Return the schemas of the query parameters that are not about pages."""
    given = [each for each in operation.get("parameters", ()) if each.get("in") == "query"]
    return {each["name"]: each["schema"] for each in given if each["name"] not in PAGING}


def scopes_of(operation: dict[str, Any]) -> set[str]:
    """Return the scopes of the portal that open an operation, but for ``admin``, which opens all."""
    return set(operation.get("x-scopes", ())) & set(map(str, PORTAL_SCOPES))


# What can be wrong with the page


def complaints(page: str) -> Iterator[str]:
    """Yield everything that the page says otherwise than the declarations."""
    try:
        named = list(calls(page))
    except ValueError as error:
        yield str(error)
        return
    yield from wrong_table(page)
    yield from wrong_conditions(page)
    for call in named:
        if call.name not in operations():
            yield f"{call.section}: no operation {call.name}"
        else:
            yield from wrong_call(call, operations()[call.name])
    if len(EXAMPLE.findall(page)) != sum(len(call.examples) for call in named):
        yield "an example that follows no call"
    shown = [properties(operations()[call.name]) for call in named if call.body and call.name in operations()]
    yield from (f"{name}: its body" for name, each in operations().items() if properties(each) not in [{}, *shown])
    for heading, section in resources(page).items():
        of_section = [call for call in named if call.section == heading and call.name in operations()]
        yield from wrong_scopes(section, of_section)
        yield from wrong_words(section, [operations()[call.name] for call in of_section])
    for status, code in CODE.findall(page):
        if code not in ERROR_CODES or ERROR_CODES[code].status != int(status):
            yield f"{status} is not the status of {code}"
    fields = {
        name for each in operations().values() for name in (*properties(each), *query_of(each), "limit", "offset")
    }
    yield from (f"the limit of {match[1]}" for match in LIMIT.finditer(page) if match[1] in fields)
    columns = re.search(r"columns `([^`]+)`", page)
    if columns is None or tuple(columns[1].split()) != COLUMNS:
        yield "the columns of the export"


def properties(operation: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a body."""
    found: dict[str, Any] = body_of(operation).get("properties", {})
    return found


def wrong_table(page: str) -> Iterator[str]:
    """Yield what the table of what is served lacks, or has too much."""
    told = set()
    for paths, methods in rows(sections(page)["What is served today"], "path"):
        names, groups = re.findall(r"`(/v1/[^`]+)`", paths), methods.split("; ")
        groups = groups * len(names) if len(groups) == 1 else groups
        if names:
            told |= {f"{each} {name}" for name, group in zip(names, groups, strict=True) for each in group.split(", ")}
    yield from (f"what is served: {name}" for name in sorted(told ^ set(operations())))


def wrong_conditions(page: str) -> Iterator[str]:
    """Yield what the table of changes with ``If-Match`` lacks, or has too much."""
    told = set()
    for paths, changes in rows(sections(page)["Conditional requests"], "object"):
        for path in re.findall(r"`(/v1/[^`]+)`", paths):
            told |= {f"{method} {path}" for method in re.findall(r"PUT|PATCH|DELETE", changes)}
            told |= {f"POST {path}/{word}" for word in re.findall(r"`([a-z-]+)`", changes)}
    header = {"$ref": "#/components/parameters/If-Match"}
    taking = {name for name, each in operations().items() if header in each.get("parameters", ())}
    yield from (f"If-Match: {name}" for name in sorted(told ^ {name for name in taking if not name.startswith("GET")}))


def wrong_call(call: Call, operation: dict[str, Any]) -> Iterator[str]:
    """Yield what the page says of a call otherwise than its operation."""
    names, declared = {each.partition("=")[0] for each in call.query.split("&") if each}, set(query_of(operation))
    # With a value, as in ?status=exhausted, or with an ellipsis, it is a part of them.
    is_part = names - {"…"} <= declared and re.search(r"[=…]", call.query)
    if names and names != declared and not is_part:
        yield f"{call.name}: the parameters {sorted(names)}"
    if call.body:
        schema = body_of(operation)
        yield from wrong_shape(call.body, schema, f"{call.name}: body")
        # What has to be sent is said, also where the rest is an ellipsis.
        unsaid = set(schema.get("required", ())) - set(call.body.fields) if call.body.has_more else set()
        yield from (f"{call.name}: body: {name} is not said" for name in sorted(unsaid))
    for answer in call.answers:
        found = [list(wrong_shape(answer, schema, f"{call.name}: answer")) for schema in answers_of(operation)]
        if [] not in found:
            yield from (found or [[f"{call.name}: has no answer"]])[0]
    for text in call.examples:
        yield from wrong_example(text, operation, call.name)


def wrong_shape(shape: Shape, schema: Any, at: str) -> Iterator[str]:
    """Yield each name that an object does not have, lacks, or can be without otherwise than it is written."""
    schema = followed(schema)
    if (schema["type"] == "array") != shape.is_list:
        yield f"{at}: a list or not"
        return
    schema = followed(schema["items"]) if shape.is_list else schema
    declared, required = schema.get("properties", {}), schema.get("required", ())
    wrong = set(shape.fields) - set(declared) if shape.has_more else set(shape.fields) ^ set(declared)
    yield from (f"{at}: {name} is not said or not there" for name in sorted(wrong))
    for name in sorted(set(declared) & set(shape.fields)):
        if shape.fields[name] == (name in required):
            yield f"{at}: {name} is {'required' if name in required else 'optional'}"
        if name in shape.inner:
            yield from wrong_shape(shape.inner[name], declared[name], f"{at}: {name}")


def wrong_example(text: str, operation: dict[str, Any], name: str) -> Iterator[str]:
    """Yield what an answer in an example has too much, lacks, or has of another type."""
    value = example_of(text)
    unfinished = list(without_ellipses(value))
    schemas = [each["items"] if each["type"] == "array" and isinstance(value, dict) else each
               for each in map(typed, answers_of(operation))]  # fmt: skip
    components = {"schemas": closed(CONTRACT.document["components"]["schemas"])}
    for schema in schemas:
        checker = jsonschema_rs.Draft202012Validator({**closed(schema), "components": components})
        errors = (
            error
            for error in checker.iter_errors(value)
            if error.kind.name != "required" or error.instance_path not in unfinished
        )
        yield from (f"{name}: example: {error.message[:200]}" for error in errors)


def without_ellipses(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[list[str | int]]:
    """Take the ellipses out of an example and yield the path of each object that had one."""
    if isinstance(value, dict) and value.pop(ELLIPSIS, False):
        yield list(path)
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from without_ellipses(inner, (*path, key))


def typed(schema: Any) -> Any:
    """Return a schema with its type, also where it is a reference."""
    return schema if "type" in schema else {**schema, "type": "object"}


def wrong_scopes(section: str, named: list[Call]) -> Iterator[str]:
    """Yield what a section says of scopes otherwise than its operations: of all at first, of one in brackets."""
    said, found = set(SCOPE.findall(section.strip().partition("\n\n")[0])), set()
    has_own = {call.name for call in named if call.scopes is not None}
    for call in named:
        declared = scopes_of(operations()[call.name])
        if call.scopes is not None and call.scopes != declared:
            yield f"{call.name}: the scopes {sorted(call.scopes)}"
        if call.name not in has_own:
            found |= declared
    if said != found:
        yield f"the scopes {sorted(said)} for {sorted(found)}"


def wrong_words(section: str, named: list[dict[str, Any]]) -> Iterator[str]:
    """Yield each list of words that is not that of a field of the section's operations."""
    declared = [field for each in named for field in words_of(each)]
    for name, listed in ONE_OF.findall(section):
        words = set(re.findall(r"`([^`]+)`", listed))
        if (name, frozenset(words)) not in declared:
            yield f"the words of {name}: {sorted(words)}"
    for name in re.findall(r"^\| `(\w+)` \|.*\n\|-", section, re.MULTILINE):
        words = {word for first, *_rest in rows(section, f"`{name}`") for word in re.findall(r"^`([^`]+)`", first)}
        known = frozenset().union(*(found for field, found in declared if field == name))
        if known and not words <= known:
            yield f"the words of {name}: {sorted(words)}"


def words_of(operation: dict[str, Any]) -> Iterator[tuple[str, frozenset[str]]]:
    """Yield the fields and parameters of an operation that have words, with these, at every depth."""

    def walk(schema: Any) -> Iterator[tuple[str, frozenset[str]]]:
        for name, field in followed(schema).get("properties", {}).items():
            inner = field.get("items", field)
            if words := inner.get("enum") or inner.get("x-extensible-enum"):
                yield name, frozenset(word for word in words if word is not None)
            yield from walk(inner)

    for schema in (body_of(operation), *answers_of(operation)):
        yield from walk(schema.get("items", schema))
    yield from walk({"properties": query_of(operation)})

"""The document at /openapi.json: valid, complete, and the same as the committed copy."""

import json
import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from django.core.management import call_command
from django.test import Client
from drf_spectacular.validation import validate_schema

from apps.base.error_codes import ERROR_CODES
from apps.webhooks.models import EventType
from apps.webhooks.types import catalogue
from integrations_portal.management.commands.openapi import snapshot
from integrations_portal.urls import documented

pytestmark = pytest.mark.django_db
SNAPSHOT = Path(__file__).parents[2] / "docs" / "openapi.json"
# Codes that no operation answers a key: a method that is not there, and what only people are asked.
OF_NO_OPERATION = {"method_not_allowed", "reauthentication_required"}


@pytest.fixture
def served(client: Client) -> dict[str, Any]:
    """The document as a client reads it."""
    answer = client.get("/openapi.json")
    assert answer["Content-Type"] == "application/json"
    return json.loads(answer.content)


def test_it_is_a_valid_document(served: dict[str, Any]) -> None:
    assert served["openapi"] == "3.1.0"
    assert served["servers"] == [{"url": "http://127.0.0.1:8000"}]
    validate_schema(served)


def test_the_committed_copy_is_up_to_date(tmp_path: Path) -> None:
    call_command("openapi", "--to", str(tmp_path / "openapi.json"), verbosity=0)
    assert (tmp_path / "openapi.json").read_text() == snapshot()
    # Parsed: PostgreSQL keeps the keys of a schema in an order of its own.
    told = "run: manage.py openapi --to docs/openapi.json (on a fresh database)"
    assert json.loads(SNAPSHOT.read_text()) == json.loads(snapshot()), told


def test_every_route_and_method_is_in_it(served: dict[str, Any]) -> None:
    found = {(path, method) for path, item in served["paths"].items() for method in item}
    assert found == {
        (route.callback.view_initkwargs["route"], method.lower())  # type: ignore[attr-defined]
        for route in documented
        for method in route.callback.view_class.operations  # type: ignore[attr-defined]
    }


def test_every_property_and_parameter_is_described(served: dict[str, Any]) -> None:
    def walk(value: Any, at: str) -> Iterator[str]:
        if isinstance(value, dict):
            if isinstance(value.get("properties"), dict) and "type" in value:
                yield from (f"{at}.{name}" for name, each in value["properties"].items() if not each.get("description"))
            if {"name", "in"} <= value.keys() and not value.get("description"):
                yield f"{at}: parameter {value['name']}"
            for name, inner in value.items():
                if name not in ("example", "examples", "default", "const"):
                    yield from walk(inner, f"{at}/{name}")
        elif isinstance(value, list):
            for number, inner in enumerate(value):
                yield from walk(inner, f"{at}/{number}")

    assert list(walk(served, "")) == []
    assert {tag["name"] for tag in served["tags"] if tag["description"]} == {
        tag
        for item in [*served["paths"].values(), *served["webhooks"].values()]
        for op in item.values()
        for tag in op["tags"]
    }


def test_descriptions_are_for_those_who_call_the_api(served: dict[str, Any]) -> None:
    """The first paragraph of a serializer's docstring is public; notes on its rows and its context come after it."""

    def walk(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            yield from (text for name, text in value.items() if name in ("description", "summary", "title"))
            yield from (text for inner in value.values() for text in walk(inner))
        elif isinstance(value, list):
            yield from (text for inner in value for text in walk(inner))

    texts = [text for text in walk(served) if isinstance(text, str)]
    assert len(texts) > 500
    assert [text for text in texts if re.search(r"``|Context:|[Tt]he row\b|[Ss]erializer", text)] == []


def test_no_schema_is_without_a_type(served: dict[str, Any]) -> None:
    """Client generators take a schema without a type for anything at all."""

    def walk(value: Any, at: str) -> Iterator[str]:
        if isinstance(value, dict):
            if not {"type", "$ref", "oneOf"} & value.keys():
                yield at
            for name, inner in value.get("properties", {}).items():
                yield from walk(inner, f"{at}.{name}")
            for name in ("items", "additionalProperties"):
                if isinstance(value.get(name), dict) and value[name] != {}:
                    yield from walk(value[name], f"{at}.{name}")
            for inner in value.get("oneOf", ()):
                yield from walk(inner, at)

    schemas = served["components"]["schemas"]
    assert [each for name, schema in schemas.items() for each in walk(schema, name)] == []


def test_every_error_code_is_explained_by_an_example(served: dict[str, Any]) -> None:
    told = {
        name for response in served["components"]["responses"].values()
        for name in response["content"]["application/json"]["examples"]
    }  # fmt: skip
    assert told == set(ERROR_CODES) - OF_NO_OPERATION
    assert set(ERROR_CODES) <= set(served["components"]["examples"])


def test_every_example_of_an_answer_is_shared_and_used(served: dict[str, Any]) -> None:
    answers = [
        content["examples"]
        for item in served["paths"].values()
        for operation in item.values()
        for response in operation["responses"].values()
        for content in response.get("content", {}).values()
        if "examples" in content
    ]
    used = {each["$ref"].rpartition("/")[2] for examples in answers for each in examples.values()}
    assert len(used) > 50
    assert used == set(served["components"]["examples"]) - set(ERROR_CODES)


def test_a_body_without_fields_is_not_part_of_it(served: dict[str, Any]) -> None:
    """Generators warn of an object without properties. The API takes an empty object all the same."""
    paths = served["paths"]
    assert "requestBody" not in paths["/v1/api-keys/{id}/enable"]["post"]
    assert "requestBody" in paths["/v1/api-keys/{id}/disable"]["post"]
    codes = served["components"]["responses"]
    refused = paths["/v1/api-keys/{id}/enable"]["post"]["responses"]["415"]["$ref"].rpartition("/")[2]
    assert codes[refused]["x-codes"] == ["unsupported_media_type"]
    empty = [name for name, schema in served["components"]["schemas"].items() if not schema["properties"]]
    assert empty == []


def test_every_reference_leads_somewhere(served: dict[str, Any]) -> None:
    def walk(value: Any) -> None:
        if isinstance(value, dict):
            if "$ref" in value and value["$ref"].startswith("#/components"):
                target: Any = served
                for part in value["$ref"].removeprefix("#/").split("/"):
                    target = target[part]
            for inner in value.values():
                walk(inner)
        elif isinstance(value, list):
            for inner in value:
                walk(inner)

    walk(served)


def test_webhooks_follow_the_catalogue(served: dict[str, Any], client: Client) -> None:
    assert set(served["webhooks"]) == set(EventType.objects.values_list("name", flat=True))
    schema = {"type": "object", "properties": {"a": {"$ref": "#/$defs/a"}}, "$defs": {"a": {"type": "string"}}}
    EventType.objects.create(name="thing.seen", description="Seen.", schema=schema, sample={"a": "b"})
    again = json.loads(client.get("/openapi.json").content)
    data = again["webhooks"]["thing.seen"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert data["properties"]["data"]["$id"].endswith("/v1/event-types/thing.seen")
    validate_schema(again)


@pytest.mark.parametrize("name", ["order.created", "my-app.order-shipped", "2fa.turned_on", "a.b.c"])
def test_filters_by_type_take_every_name_that_the_catalogue_takes(name: str, served: dict[str, Any]) -> None:
    assert catalogue.EVENT_NAME.fullmatch(name)
    listed = [served["paths"][path]["get"]["parameters"] for path in ("/v1/events", "/v1/deliveries")]
    schemas = [each["schema"] for each in chain(*listed) if each.get("name") in ("type", "event_type")]
    assert len(schemas) == 2
    assert [schema for schema in schemas if not jsonschema_rs.is_valid(schema, [name])] == []
    assert [schema for schema in schemas if jsonschema_rs.is_valid(schema, "order")] == []


def test_scopes_and_security(served: dict[str, Any]) -> None:
    create = served["paths"]["/v1/users"]["post"]
    assert create["x-scopes"] == ["users:write", "admin"]
    assert served["security"] == [{"bearer": []}, {"header": []}, {"basic": []}] and "security" not in create
    assert served["paths"]["/v1/leaked-keys"]["post"]["security"] == []
    assert "401" not in served["paths"]["/v1/leaked-keys"]["post"]["responses"]


def test_a_body_that_says_it_needs_a_field_refuses_none(served: dict[str, Any]) -> None:
    operations = [each for route in documented for each in route.callback.cls.operations.values()]
    bodies = {each.body for each in operations if each.body is not None}
    in_need = {name for name, each in served["components"]["schemas"].items() if "minProperties" in each}
    assert in_need == {each.schema_name() for each in bodies if each.requires_a_field} and len(in_need) >= 3
    for body in (each for each in bodies if each.requires_a_field):
        names = ", ".join(sorted(served["components"]["schemas"][body.schema_name()]["properties"]))
        empty = body(data={})
        assert not empty.is_valid() and empty.errors == {"body": [f"Send one of: {names}."]}


def test_it_is_answered_from_a_copy_that_is_still_good(client: Client) -> None:
    first = client.get("/openapi.json")
    again = client.get("/openapi.json", HTTP_IF_NONE_MATCH=first["ETag"])
    assert (again.status_code, again.content) == (304, b"")
    EventType.objects.filter(name="order.created").update(description="Something else.")
    changed = client.get("/openapi.json", HTTP_IF_NONE_MATCH=first["ETag"])
    assert changed.status_code == 200 and changed["ETag"] != first["ETag"]
    assert client.post("/openapi.json").status_code == 405


def test_swagger_ui_is_served_from_our_own_files(client: Client) -> None:
    page = client.get("/docs/").content.decode()
    assert 'data-url="/openapi.json"' in page
    assert "https://" not in page.split("<head>")[1].split("</head>")[0]

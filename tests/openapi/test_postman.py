"""The Postman collection: of the published format, and with all that the OpenAPI document says of a request."""

import json
from typing import Any

import jsonschema_rs
import pytest

from integrations_portal.api_docs.collections.postman import postman_collection
from integrations_portal.api_docs.openapi.document import document
from integrations_portal.urls import documented
from tests.openapi.operations import DocumentedOperation, operations_of

pytestmark = pytest.mark.pure

# What the collection uses of Collection Format v2.1.0, which allows much more: any other member is a slip here.
TEXT = {"type": "string"}


def _object(required: str, **properties: Any) -> dict[str, Any]:
    names = required.split()
    return {"type": "object", "required": names, "properties": properties, "additionalProperties": False}


def _list(items: dict[str, Any], least: int = 0) -> dict[str, Any]:
    return {"type": "array", "items": items, "minItems": least}


NAME = {"type": "string", "minLength": 1}
# "value" of a variable can be anything; a secret stands in none.
VARIABLE = _object("key value", key=NAME, value=TEXT, type={"enum": ["string", "boolean", "any", "number"]})
PAIR = _object("key value", key=NAME, value=TEXT, description=NAME, disabled={"const": True})
PATH_VARIABLE = _object("key value", key=NAME, value=NAME, description=NAME)
AUTH = {
    "oneOf": [
        _object("type", type={"const": "noauth"}),
        _object(
            "type bearer",
            type={"const": "bearer"},
            bearer=_list(_object("key value", key=NAME, value={"pattern": r"^\{\{\w+\}\}$"}, type=TEXT), 1),
        ),
    ]
}
URL = _object(
    "raw host path",
    raw={"type": "string", "pattern": r"^\{\{baseUrl\}\}/v1/"},
    host=_list(NAME, 1),
    path=_list(NAME, 1),
    query=_list(PAIR, 1),
    variable=_list(PATH_VARIABLE, 1),
)
BODY = _object("mode raw", mode={"const": "raw"}, raw=NAME, options={"const": {"raw": {"language": "json"}}})
REQUEST = _object(
    "method url header description",
    method={"enum": ["GET", "POST", "PUT", "PATCH", "DELETE"]},
    description=NAME,
    header=_list(PAIR),
    url=URL,
    auth=AUTH,
    body=BODY,
)
RESPONSE = _object(
    "name originalRequest status code header cookie body",
    name=NAME,
    originalRequest=REQUEST,
    status=NAME,
    code={"type": "integer", "minimum": 200, "maximum": 299},
    header=_list(PAIR),
    cookie={"const": []},
    body=TEXT,
    _postman_previewlanguage={"enum": ["json", "text"]},
)
ITEM = _object("name request response", name=NAME, request=REQUEST, response=_list(RESPONSE))
FOLDER = _object("name description item", name=NAME, description=NAME, item=_list(ITEM, 1))
COLLECTION = _object(
    "info item auth variable",
    info=_object(
        "name schema",
        name=NAME,
        description=NAME,
        version=NAME,
        schema={"const": "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"},
    ),
    item=_list(FOLDER, 1),
    auth=AUTH,
    variable=_list(VARIABLE, 1),
)

DOCUMENT = document(documented, ())
COLLECTED: dict[str, Any] = json.loads(postman_collection(DOCUMENT))


def items() -> dict[tuple[str, str, str], dict[str, Any]]:
    """Return each request by its folder, method and path."""
    return {
        (folder["name"], item["request"]["method"], f"/{'/'.join(item['request']['url']['path'])}"): item
        for folder in COLLECTED["item"]
        for item in folder["item"]
    }


def pairs() -> list[tuple[DocumentedOperation, dict[str, Any]]]:
    """Return each operation with the request that stands for it."""
    found = items()
    return [(operation, found[operation.place]) for operation in operations_of(DOCUMENT)]


def test_it_is_of_the_published_format() -> None:
    jsonschema_rs.validate(COLLECTION, COLLECTED)


def test_every_operation_is_in_it_once_in_the_folder_of_its_tag() -> None:
    every = [item for folder in COLLECTED["item"] for item in folder["item"]]
    assert sorted(items()) == sorted(operation.place for operation in operations_of(DOCUMENT))
    assert len(every) == len(items()) > 50
    texts = {tag["name"]: tag["description"] for tag in DOCUMENT["tags"]}
    assert {folder["name"]: folder["description"] for folder in COLLECTED["item"]}.items() <= texts.items()


def test_a_request_is_named_and_described_as_its_operation() -> None:
    for operation, item in pairs():
        assert item["name"] == operation.content["summary"]
        assert item["request"]["description"] == operation.content["description"]


def test_bodies_are_the_examples_of_the_document() -> None:
    for operation, item in pairs():
        body = item["request"].get("body")
        assert (json.loads(body["raw"]) if body else None) == operation.example, operation.place
    assert sum("body" in item["request"] for item in items().values()) > 20


@pytest.mark.parametrize(("where", "least"), [("query", 1), ("header", 0)])
def test_parameters_are_sent_that_are_required_and_no_others(where: str, least: int) -> None:
    required = 0
    for operation, item in pairs():
        given = item["request"]["url"].get("query", []) if where == "query" else item["request"]["header"]
        given = [each for each in given if each["key"] != "Content-Type"]
        sent = {each["key"] for each in given if "disabled" not in each}
        assert sent == operation.names(where, required=True), operation.place
        assert {each["key"] for each in given} - sent == operation.names(where, required=False)
        texts = {each["name"]: each["description"] for each in operation.parameters}
        assert [each for each in given if each["description"] != texts[each["key"]]] == []
        assert [each for each in given if each["key"] in sent and not each["value"]] == []
        if where == "query":
            assert item["request"]["url"]["raw"].count("=") == len(sent)
        required += len(sent)
    assert required >= least


def test_variables_of_the_path_have_their_examples() -> None:
    for operation, item in pairs():
        variables = {each["key"]: each["value"] for each in item["request"]["url"].get("variable", [])}
        assert variables == {each["name"]: each["example"] for each in operation.parameters if each["in"] == "path"}
        assert {f":{name}" for name in variables} == {
            part for part in item["request"]["url"]["path"] if part.startswith(":")
        }


def test_each_request_sends_the_kind_of_key_that_it_takes() -> None:
    assert COLLECTED["auth"]["bearer"][0]["value"] == "{{API_KEY}}"
    found = set()
    for operation, item in pairs():
        auth = item["request"].get("auth", COLLECTED["auth"])
        variable = None if auth["type"] == "noauth" else auth["bearer"][0]["value"].strip("{}")
        assert variable == operation.key_variable, operation.place
        found.add(variable)
    assert found == {None, "API_KEY", "SDK_KEY"}


def test_variables_hold_the_address_and_no_key() -> None:
    assert {each["key"]: each["value"] for each in COLLECTED["variable"]} == {
        "baseUrl": DOCUMENT["servers"][0]["url"],
        "API_KEY": "",
        "SDK_KEY": "",
    }


def test_successful_responses_are_saved() -> None:
    shared = DOCUMENT["components"]["examples"]
    for operation, item in pairs():
        wanted = [
            (int(status), json.dumps(shared[example["$ref"].rpartition("/")[2]]["value"], sort_keys=True))
            for status, response in operation.content["responses"].items()
            for media in response.get("content", {}).values()
            for example in media.get("examples", {}).values()
            if status.startswith("2")
        ]
        saved = [
            (each["code"], json.dumps(json.loads(each["body"]), sort_keys=True))
            for each in item["response"]
            if each["body"]
        ]
        assert saved == wanted, operation.place
        assert [each for each in item["response"] if each["originalRequest"] != item["request"]] == []
    empty = [each["code"] for item in items().values() for each in item["response"] if not each["body"]]
    assert empty and set(empty) == {204}

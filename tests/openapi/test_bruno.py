"""The Bruno collection: files that Bruno reads, and all that the OpenAPI document says of a request."""

import json
import re
from io import BytesIO
from pathlib import PurePosixPath
from typing import Any
from zipfile import ZipFile

import pytest

from integrations_portal.api_docs.collections.bru_text import pairs_block, text_block
from integrations_portal.api_docs.collections.bruno import bruno_archive
from integrations_portal.api_docs.collections.file_names import file_name, file_names
from integrations_portal.api_docs.openapi.document import document
from integrations_portal.urls import documented
from tests.openapi.bru import BruFile
from tests.openapi.operations import DocumentedOperation, operations_of

pytestmark = pytest.mark.pure

TOP = "Integrations Portal"
METHODS = ("get", "post", "put", "patch", "delete")
DOCUMENT = document(documented, ())
ARCHIVE = bruno_archive(DOCUMENT)
with ZipFile(BytesIO(ARCHIVE)) as opened:
    FILES = {name: opened.read(name).decode() for name in opened.namelist()}


def read(path: str) -> BruFile:
    return BruFile(FILES[f"{TOP}/{path}"])


def requests() -> dict[tuple[str, str, str], BruFile]:
    """Return each request by its folder, method and path."""
    found: dict[tuple[str, str, str], BruFile] = {}
    for name, text in FILES.items():
        path = PurePosixPath(name)
        if len(path.parts) == 3 and path.parts[1] != "environments" and path.name != "folder.bru":
            request = BruFile(text)
            (method,) = request.used.keys() & METHODS
            url = request.used[method]["url"].partition("?")[0].removeprefix("{{baseUrl}}")
            assert (path.parts[1], method.upper(), url) not in found
            found[path.parts[1], method.upper(), url] = request
    return found


def pairs() -> list[tuple[DocumentedOperation, BruFile, dict[str, str]]]:
    """Return each operation with its file and with the block that names the method."""
    found = requests()
    every = [(operation, found[operation.place]) for operation in operations_of(DOCUMENT)]
    return [(operation, request, request.used[operation.method.lower()]) for operation, request in every]


def test_the_collection_and_its_environment_hold_no_key() -> None:
    assert json.loads(FILES[f"{TOP}/bruno.json"]) == {"version": "1", "name": TOP, "type": "collection"}
    collection = read("collection.bru")
    assert collection.used["auth"] == {"mode": "bearer"}
    assert collection.used["auth:bearer"] == {"token": "{{API_KEY}}"}
    environment = read("environments/Portal.bru")
    assert environment.used == {"vars": {"baseUrl": DOCUMENT["servers"][0]["url"]}}
    assert environment.names == {"vars:secret": ["API_KEY", "SDK_KEY"]}


def test_every_operation_is_in_it_once_in_the_folder_of_its_tag() -> None:
    assert sorted(requests()) == sorted(operation.place for operation in operations_of(DOCUMENT))
    assert len(requests()) > 50
    tags = list(dict.fromkeys(operation.tag for operation in operations_of(DOCUMENT)))
    texts = {tag["name"]: tag["description"] for tag in DOCUMENT["tags"]}
    for tag in tags:
        folder = read(f"{tag}/folder.bru")
        assert folder.used["meta"]["name"] == tag and folder.texts["docs"].strip() == texts[tag]
        places = sorted(int(each.used["meta"]["seq"]) for place, each in requests().items() if place[0] == tag)
        assert places == list(range(1, len(places) + 1))
    assert sorted(int(read(f"{tag}/folder.bru").used["meta"]["seq"]) for tag in tags) == [*range(1, len(tags) + 1)]


def test_a_request_is_named_and_described_as_its_operation() -> None:
    for operation, request, _call in pairs():
        assert request.used["meta"]["name"] == operation.content["summary"]
        documentation = request.texts["docs"]
        assert documentation.startswith(operation.content["description"])
        for parameter in operation.parameters:
            assert f"- `{parameter['name']}` ({parameter['in']}" in documentation
            assert parameter["description"] in documentation
        for status in operation.content["responses"]:
            assert (f"## Response {status}" in documentation) == (
                status.startswith("2") and operation.path != "/v1/audit-log/export"  # a file: it has no example
            )


def test_bodies_are_the_examples_of_the_document() -> None:
    for operation, request, call in pairs():
        body = request.texts.get("body:json")
        assert (json.loads(body) if body else None) == operation.example, operation.place
        assert call["body"] == ("json" if body else "none")
        assert request.used.get("headers", {}).get("Content-Type") == ("application/json" if body else None)


def test_parameters_are_sent_that_are_required_and_no_others() -> None:
    sent_in_queries = 0
    for operation, request, call in pairs():
        query = request.used.get("params:query", {})
        assert set(query) == operation.names("query", required=True), operation.place
        assert set(request.unused.get("params:query", {})) == operation.names("query", required=False)
        assert call["url"].partition("?")[2] == "&".join(f"{name}={value}" for name, value in query.items())
        headers = set(request.used.get("headers", {})) - {"Content-Type"}
        assert headers == operation.names("header", required=True)
        assert set(request.unused.get("headers", {})) == operation.names("header", required=False)
        examples = {each["name"]: each["example"] for each in operation.parameters if each["in"] == "path"}
        assert request.used.get("params:path", {}) == examples
        assert "" not in query.values(), operation.place
        sent_in_queries += len(query)
    assert sent_in_queries > 0


def test_each_request_sends_the_kind_of_key_that_it_takes() -> None:
    modes = {"API_KEY": "inherit", "SDK_KEY": "bearer", None: "none"}
    for operation, request, call in pairs():
        assert call["auth"] == modes[operation.key_variable], operation.place
        own = {"token": "{{SDK_KEY}}"} if operation.key_variable == "SDK_KEY" else None
        assert request.used.get("auth:bearer") == own
    assert {operation.key_variable for operation in operations_of(DOCUMENT)} == set(modes)


def test_every_system_can_store_its_files() -> None:
    for name in FILES:
        for part in name.split("/"):
            assert re.fullmatch(r"[\w .-]*\w", part, re.ASCII), name
    assert len({name.casefold() for name in FILES}) == len(FILES)


def test_the_same_document_gives_the_same_bytes() -> None:
    assert bruno_archive(DOCUMENT) == ARCHIVE
    with ZipFile(BytesIO(ARCHIVE)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == sorted(archive.namelist())
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert {oct(entry.external_attr >> 16) for entry in archive.infolist()} == {"0o100644"}


# Texts of any document


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("API keys", "API keys"), ("a/b\\c:d", "a-b-c-d"), ('<"|?*>', "------"), ("dots. .", "dots"),
        ("con", "con-"), ("LPT1.txt", "LPT1.txt-"), ("console", "console"), ("..", "-"), ("", "-"), ("a\nb", "a-b"),
    ],
)  # fmt: skip
def test_a_name_becomes_one_that_windows_stores(text: str, name: str) -> None:
    assert file_name(text) == name


def test_names_that_a_system_cannot_tell_apart_are_numbered() -> None:
    assert file_names(["Keys", "keys", "KEYS", "a:b", "a-b", "folder"], "Folder") == [
        "Keys", "keys 2", "KEYS 3", "a-b", "a-b 2", "folder 2",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text", ["}", "a\n}\nb {\n}", "{\n  1\n}", "meta {\n  name: x\n}\n\n  indented", '{"a": "\u2028"}']
)
def test_a_text_cannot_end_its_block_and_comes_back_whole(text: str) -> None:
    read_again = BruFile(text_block("docs", text))
    assert read_again.texts["docs"].rstrip("\n") == text
    assert not read_again.used


def test_a_value_is_one_line_whatever_it_holds() -> None:
    block: dict[str, Any] = BruFile(pairs_block("meta", [("name", "one\n}\r\ntwo: {")])).used
    assert block == {"meta": {"name": "one } two: {"}}
    assert pairs_block("headers", []) == ""

"""The collections as files to download: public, kept until they change, without a key, and linked in the reference."""

import copy
import json
import re
from collections.abc import Callable
from typing import Any
from zipfile import ZipFile

import pytest
from django.test import Client

from integrations_portal.api_docs.collections.bruno import bruno_files
from integrations_portal.api_docs.collections.postman import postman_collection
from integrations_portal.api_docs.openapi.document import document
from integrations_portal.urls import documented

PATHS = {"/docs/postman.json": "application/json", "/docs/bruno.zip": "application/zip"}
# The prefix of a secret and what could be one. Examples say in capitals that they are none, or hide most of it.
SECRET = re.compile(r"(?:ip[ks]_|whsec_)(?![A-Z_]+\b)[0-9A-Za-z+/=]{9,}")


def texts(client: Client, tmp_path: Any) -> dict[str, str]:
    """Return the text of each file that is downloaded."""
    (tmp_path / "bruno.zip").write_bytes(client.get("/docs/bruno.zip").content)
    with ZipFile(tmp_path / "bruno.zip") as archive:
        inside = {name: archive.read(name).decode() for name in archive.namelist()}
    return {"postman.json": client.get("/docs/postman.json").content.decode(), **inside}


@pytest.mark.django_db
@pytest.mark.parametrize("path", PATHS)
def test_it_is_a_file_for_everybody(client: Client, path: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer["Content-Type"]) == (200, PATHS[path])
    assert re.fullmatch(r'attachment; filename="integrations-portal\.[\w.]+"', answer["Content-Disposition"])
    assert answer["Access-Control-Allow-Origin"] == "*" and not answer.cookies
    head = client.head(path)
    assert (head.status_code, head["ETag"], head.content) == (200, answer["ETag"], b"")
    assert client.post(path).status_code == 405


@pytest.mark.django_db
@pytest.mark.parametrize("path", PATHS)
def test_it_is_answered_from_a_copy_that_is_still_good(client: Client, path: str, settings: Any) -> None:
    first = client.get(path)
    assert client.get(path).content == first.content
    again = client.get(path, HTTP_IF_NONE_MATCH=first["ETag"])
    assert (again.status_code, again.content) == (304, b"")
    settings.PUBLIC_URL = "https://portal.example.com"
    moved = client.get(path, HTTP_IF_NONE_MATCH=first["ETag"])
    assert moved.status_code == 200 and moved["ETag"] != first["ETag"]


@pytest.mark.django_db
def test_nothing_in_them_could_be_a_key(client: Client, tmp_path: Any, acme_key: Any) -> None:
    assert SECRET.search(f"Bearer {acme_key.text}")
    found = texts(client, tmp_path)
    assert len(found) > 60
    assert {name: match[0] for name, text in found.items() if (match := SECRET.search(text))} == {}
    assert "http://127.0.0.1:8000" in found["postman.json"]
    assert "http://127.0.0.1:8000" in found["Integrations Portal/environments/Portal.bru"]


@pytest.mark.django_db
def test_the_reference_leads_to_them(client: Client) -> None:
    page = client.get("/docs/reference").content.decode()
    assert [path for path in ("/openapi.json", *PATHS) if f'href="{path}"' not in page] == []


def _postman_places(changed: dict[str, Any]) -> set[tuple[str, str]]:
    every = json.loads(postman_collection(changed))["item"]
    return {(folder["name"], item["request"]["url"]["raw"]) for folder in every for item in folder["item"]}


def _bruno_places(changed: dict[str, Any]) -> set[tuple[str, str]]:
    return {
        (path.partition("/")[0], url[1])
        for path, text in bruno_files(changed).items()
        if (url := re.search(r"(?m)^  url: (.*)$", text))
    }


@pytest.mark.pure
@pytest.mark.parametrize("places", [_postman_places, _bruno_places])
def test_a_new_operation_is_in_them_by_itself(places: Callable[[dict[str, Any]], set[tuple[str, str]]]) -> None:
    known = document(documented, ())
    changed = copy.deepcopy(known)
    changed["paths"]["/v1/things/{thing}"] = {
        "post": {
            "operationId": "makeThing",
            "summary": "Make a thing.",
            "description": "Any API key.",
            "tags": ["Things"],
            "x-credential": "api_key",
            "parameters": [
                {"name": "thing", "in": "path", "required": True, "description": "A.", "schema": {}, "example": "a b"},
                {"name": "dry", "in": "query", "required": True, "description": "D.", "schema": {"default": True}},
                {"name": "of", "in": "query", "required": True, "description": "O.", "schema": {"enum": ["a&b"]}},
                {"name": "kind", "in": "query", "description": "K.", "schema": {"items": {"enum": ["x"]}}},
            ],
            "requestBody": {"content": {"application/json": {"schema": {}, "example": {"a": 1}}}},
            "responses": {"200": {"description": "It is made."}},
        }
    }
    assert places(changed) - places(known) == {("Things", "{{baseUrl}}/v1/things/:thing?dry=true&of=a%26b")}
    assert places(known) - places(changed) == set()

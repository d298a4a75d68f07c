"""The reference against the document: every field of every body and answer, its search, and "Try it"."""

import json
import re
from html import unescape
from urllib.parse import parse_qs, urlsplit

import pytest

from integrations_portal.api_docs.field_rows import parameter_row
from integrations_portal.api_docs.reference import served_operations
from integrations_portal.urls import documented

pytestmark = pytest.mark.django_db

ROW = re.compile(r'<div id="([^"]+)">\s*<dt>(.*?)</dt>\s*<dd>(.*?)</dd>', re.S)
CODE = re.compile(r"</?code>")
TAG = re.compile(r"<[^>]+>")
SERVED = list(served_operations(documented))
# No role verifies keys, or publishes events: that takes a key.
FOR_KEYS = {"verifyApiKey", "publishEvent", "publishEvents"}
FOR_MEMBERS = [each for each in SERVED if "user" in each.callers and each.operation.id not in FOR_KEYS]


@pytest.fixture
def rows(client):
    """Every row of the page by its anchor, as texts of its head and of the rest."""
    page = client.get("/docs/reference").content.decode()
    found = ROW.findall(page)
    assert len(found) == len({anchor for anchor, _head, _rest in found})
    return {
        unescape(anchor): tuple(" ".join(unescape(TAG.sub(" ", part)).split()) for part in (head, CODE.sub("`", rest)))
        for anchor, head, rest in found
    }


@pytest.fixture
def described(client):
    return json.loads(client.get("/openapi.json").content)


def fields_of(schema, schemas, above=""):
    """Every field of a schema of the document, with its path, its schema and whether it is required."""
    while "$ref" in schema:
        schema = schemas[schema["$ref"].rpartition("/")[2]]
    if schema.get("type") == "array":
        yield from fields_of(schema["items"], schemas, f"{above.removesuffix('.')}[]." if above else "")
        return
    for name, inner in schema.get("properties", {}).items():
        yield f"{above}{name}", inner, name in schema.get("required", ())
        yield from fields_of(inner, schemas, f"{above}{name}.")


def operations(described):
    for path, item in described["paths"].items():
        for method, operation in item.items():
            yield f"{method.upper()} {path}", operation


def bodies(described):
    """Each object that a client sends or gets, by its prefix on the page: its schema and whether it is sent."""
    for _label, operation in operations(described):
        if "requestBody" in operation:
            yield f"{operation['operationId']}.body", operation["requestBody"]["content"]["application/json"], True
        for answer in operation["responses"].values():
            content = answer.get("content", {}).get("application/json")
            if content:
                schema = content["schema"].get("items", content["schema"])
                if "$ref" not in schema:  # an object without fields
                    continue
                yield schema["$ref"].rpartition("/")[2], {"schema": schema}, False
    yield "ErrorResponse", {"schema": {"$ref": "#/components/schemas/ErrorResponse"}}, False


def test_every_field_of_the_document_is_on_the_page(rows, described):
    schemas, seen = described["components"]["schemas"], 0
    for anchor, content, is_sent in bodies(described):
        for path, schema, required in fields_of(content["schema"], schemas):
            head, rest = rows[f"{anchor}.{path}"]
            seen += 1
            assert head.split()[0] == path
            assert ("required" in head.split()) == (is_sent and required), (anchor, path)
            assert schema["description"] in rest, (anchor, path)
            for limit in ("minLength", "maxLength", "minimum", "maximum", "minItems", "maxItems"):
                if schema.get(limit, 0) not in (0, 1):
                    assert str(schema[limit]) in rest, (anchor, path, limit)
            for word in schema.get("enum", schema.get("x-extensible-enum", ())):
                assert word is None or str(word) in rest, (anchor, path, word)
            inner = {**schema, **schema.get("items", {})}
            if "$ref" not in inner and "properties" not in inner and "null" not in schema.get("type", ()):
                assert "example " in rest, (anchor, path)
    assert seen > 500


def test_no_field_is_on_the_page_that_the_document_does_not_have(rows, described):
    schemas = described["components"]["schemas"]
    known = {
        f"{anchor}.{path}"
        for anchor, content, _is_sent in bodies(described)
        for path, _schema, _required in fields_of(content["schema"], schemas)
    }
    for _label, operation in operations(described):
        for parameter in operation["parameters"]:
            name = parameter.get("name") or parameter["$ref"].rpartition("/")[2]
            known.add(f"{operation['operationId']}.{name}")
    assert set(rows) == known


def test_types_and_limits_are_words():
    def said(**schema):
        row = parameter_row({"name": "x", "description": "", "schema": schema})
        return row.type, row.limits

    assert said(type="string", minLength=1, maxLength=120) == ("string", ["1 to 120 characters"])
    assert said(type="string", minLength=4, maxLength=4) == ("string", ["4 characters"])
    assert said(type=["string", "null"], maxLength=1) == ("string or null", ["up to 1 character"])
    assert said(type="integer", minimum=1) == ("integer", ["at least 1"])
    assert said(type="integer", minimum=0, maximum=100, default=20) == ("integer", ["up to 100", "default: 20"])
    assert said(type="array", maxItems=20, items={"type": "string", "maxLength": 9}) == (
        "array of strings", ["up to 20 items", "up to 9 characters"],
    )  # fmt: skip
    assert said(type=["string", "null"], format="date-time", pattern="x") == ("string (date-time) or null", [])
    assert said(type="object", additionalProperties={"type": "array", "items": {"type": "string"}}) == (
        "object of arrays of strings", [],
    )  # fmt: skip


def test_a_search_shows_only_what_has_every_word(client):
    def found(words):
        page = client.get("/docs/reference", {"q": words}).content.decode()
        return set(re.findall(r'<div class="pad stack" id="(\w+)">', page)), page

    ids, page = found("Overlap_Seconds")
    assert ids == {"rotateApiKey", "rotateSdkKey", "rotateWebhookSecret"}
    assert page.count('<details class="fold event operation" open>') == 3
    ids, page = found("key revoke")
    assert {"revokeApiKey", "revokeSdkKey"} <= ids < {each.operation.id for each in SERVED} | ids
    assert "listUsers" not in ids
    # A code of an error leads to the operations that answer with it, and to the object that has it.
    assert "replayWebhookEndpoint" in found("replay")[0]
    # Links lead to the whole page where the object is not among the results.
    assert 'href="/docs/reference#ApiKeyWithSecret"' in found("overlap_seconds")[1]
    ids, page = found("<script>alert(1)</script>")
    assert not ids and "<script>alert" not in page and "No operation or object has these words." in page
    assert found("\0")[0] == set() or found("\0")[1]


def test_the_search_keeps_the_language_and_the_organization(browser_of, ada):
    page = browser_of(ada).get("/docs/reference?lang=python&organization=acme&q=overlap").content.decode()
    assert '<input type="hidden" name="lang" value="python">' in page
    assert '<input type="hidden" name="organization" value="acme">' in page
    assert "/docs/reference?lang=node&amp;q=overlap&amp;organization=acme" in page
    assert 'href="/docs/reference?organization=acme"' in page


# Try it


def tried(browser, operation_id):
    answer = browser.get(f"/docs/try/{operation_id}?organization=acme")
    assert answer.status_code == 302, operation_id
    return urlsplit(answer["Location"])


@pytest.mark.parametrize("served", FOR_MEMBERS, ids=lambda each: each.operation.id)
def test_without_objects_it_leads_to_a_page_that_answers(browser_of, ada, served):
    browser = browser_of(ada)
    target = tried(browser, served.operation.id)
    answer = browser.get(f"{target.path}?{target.query}", headers={"accept": "text/html"})
    assert answer.status_code in (200, 400, 405) and b"<h1" in answer.content
    if target.fragment:
        assert f'id="{target.fragment}"' in answer.content.decode()


@pytest.mark.parametrize("served", FOR_MEMBERS, ids=lambda each: each.operation.id)
def test_with_objects_it_leads_to_a_form_that_is_filled(browser_of, ada, samples, served):
    target = tried(browser_of(ada), served.operation.id)
    assert "{" not in target.path
    page = browser_of(ada).get(f"{target.path}?{target.query}", headers={"accept": "text/html"}).content.decode()
    if "{" in served.route:
        assert re.fullmatch(re.sub(r"\{\w+\}", r"[\\w.]+", served.route).rpartition("/")[0] + r".*", target.path)
    if served.method == "GET":
        assert not target.fragment
        return
    assert target.fragment == served.operation.id
    form = page.partition(f'<div class="pad stack-s" id="{target.fragment}">')[2].partition('<details class="fold op')[
        0
    ]
    assert f"Send {served.method}" in form or "Yes, delete it" in form or "Confirm" in form
    for name in served.operation.body.example() if served.operation.body else ():
        assert f'name="{name}"' in form


def test_what_members_cannot_send_is_not_offered(client, browser_of, ada):
    page = browser_of(ada).get("/docs/reference?organization=acme").content.decode()
    for each in SERVED:
        is_offered = f'href="/docs/try/{each.operation.id}?organization=acme"' in page
        assert is_offered == (each in FOR_MEMBERS)
        if not is_offered:
            assert browser_of(ada).get(f"/docs/try/{each.operation.id}").status_code == 404
    assert browser_of(ada).get("/docs/try/nothing").status_code == 404
    assert client.get("/docs/try/createApiKey")["Location"] == "/account/login/?next=/docs/try/createApiKey"
    assert parse_qs(tried(browser_of(ada), "listDescendants").query)["of"] == [ada.public_id]


def test_the_file_is_not_downloaded_before_the_form_is_sent(browser_of, ada):
    assert "format" not in parse_qs(tried(browser_of(ada), "exportAuditLog").query)

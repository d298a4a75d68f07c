"""The API does what its document says, whatever is sent.

``SCHEMATHESIS_CASES=2000 pytest -s tests/openapi/test_schemathesis.py``: everything on the edges of the schema, and so
many cases by chance for each class of views; ``-s`` shows how far it is, and in the end how they were answered.
"""

import os
from collections import Counter
from typing import Any

import pytest
from django.test import Client

from tests.conftest import Key
from tests.openapi.fuzzing import Fuzzer

pytestmark = pytest.mark.django_db
CASES = int(os.environ.get("SCHEMATHESIS_CASES", "0"))
# In the ordinary suite: a part of it.
FEW, STEP = 4, 6


def test_every_answer_is_documented(fuzzer: Fuzzer) -> None:
    operations = list(fuzzer.operations())
    of_class = Counter(fuzzer.class_of(each) for each in operations)
    for operation in operations:
        fuzzer.boundaries(operation, 1 if CASES else STEP)
        fuzzer.random(operation, CASES // of_class[fuzzer.class_of(operation)] if CASES else FEW)
        print(f"{operation.label}: {fuzzer.findings.whole.total()}", *fuzzer.findings.news(), sep="\n", flush=True)
    print(f"\n{fuzzer.findings.table()}")
    assert not fuzzer.findings.wrong, "\n\n".join(fuzzer.findings.wrong.values())
    assert {200, 201, 202, 204, 400, 404} <= fuzzer.findings.whole.keys()


def test_a_line_break_after_a_path_is_a_part_of_it(admin_key: Key, api: Any, browser_of: Any, ada: Any) -> None:
    for path in ("/v1/users", "/v1/users/", f"/v1/api-keys/{admin_key.row.public_id}", "/v1"):
        assert api(admin_key).get(f"{path}%0A").status_code == 404, path
        assert browser_of(ada).get(f"{path}%0A", headers={"Accept": "text/html"}).status_code == 404, path
    assert api(admin_key).get("/v1/users/").status_code == 200


DELETED = ("/v1/users/{id}", "/v1/webhook-endpoints/{id}", "/v1/sdk/activations/{id}")


@pytest.mark.parametrize("route", DELETED)
def test_what_was_deleted_is_gone(route: str, fuzzer: Fuzzer) -> None:
    caller = fuzzer.caller_of(route)
    client, path = Client(headers=caller.headers), route.replace("{id}", caller.ids["id"])
    assert client.get(path).status_code == 200
    assert client.delete(path).status_code == 204
    assert [client.get(path).status_code, client.delete(path).status_code] == [404, 404]


def test_every_object_that_can_be_read_and_deleted_is_above(fuzzer: Fuzzer) -> None:
    paths = fuzzer.contract.document["paths"]
    assert {route for route, methods in paths.items() if {"get", "delete"} <= methods.keys()} == set(DELETED)


MADE = {"/v1/users": "/v1/users/{}", "/v1/api-keys": "/v1/api-keys/{}", "/v1/sdk-keys": "/v1/sdk-keys/{}",
        "/v1/webhook-endpoints": "/v1/webhook-endpoints/{}", "/v1/events": "/v1/events/{}"}  # fmt: skip


@pytest.mark.parametrize("route", MADE)
def test_the_example_of_a_new_object_makes_one_that_can_be_read(route: str, fuzzer: Fuzzer) -> None:
    operation = fuzzer.contract.document["paths"][route]["post"]
    body = fuzzer.example_of(operation["requestBody"])
    client = Client(headers=fuzzer.caller_of(route).headers)
    made = client.post(route, body, content_type="application/json")
    assert made.status_code in (201, 202), made.content
    assert client.get(MADE[route].format(made.json()["id"])).json()["id"] == made.json()["id"]

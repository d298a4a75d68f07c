"""The examples that the product was built from, to the letter: request line, headers, body, answer (M20 to M25)."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from apps.orgs.models import Membership, Organization, Role, User
from tests.conftest import Key

pytestmark = pytest.mark.django_db

USER_ID = re.compile(r"user_[0-9A-Za-z]{22}")
INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z")
LIMITS = ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset", "RateLimit-Policy", "RateLimit")
JOHN = {"name": "John Doe", "email": "john.doe@example.com", "password": "secure_password123"}


def call(line: str, key: str = "", body: Any = None, **headers: str) -> Any:
    """Send a request by its first line, such as ``GET /v1/users``, with the key as a bearer."""
    method, path = line.split(" ")
    sent = {"Authorization": f"Bearer {key}"} if key else {}
    text = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    client = Client(raise_request_exception=False)
    return client.generic(method, path, text, content_type="application/json", headers={**sent, **headers})


@pytest.fixture
def key(make_key: Callable[..., Key], acme: Organization) -> str:
    return make_key(acme, "users:write").text


# M20: three ways to send the key, and one that is none


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("Authorization", "Bearer {key}"),
        ("Authorization", "x-api-key {key}"),
        ("X-API-Key", "{key}"),
        ("Authorization", "bearer {key}"),
        ("Authorization", "X-API-KEY {key}"),
    ],
)
def test_a_key_in_a_header(key, header, value):
    answer = call("GET /v1/users", **{header: value.format(key=key)})
    assert (answer.status_code, answer.json()) == (200, [])


@pytest.mark.parametrize("name", ["api_key", "key", "x-api-key", "access_token"])
def test_a_key_in_the_query_string_is_not_used(key, name):
    answer = call(f"GET /v1/users?{name}={key}")
    assert (answer.status_code, answer.json()["code"]) == (401, "missing_api_key")
    assert "query string is not used" in answer.json()["error"]


# M21: the list


def test_get_users(key, ada, ann):
    answer = call("GET /v1/users?limit=10&offset=0", key)
    assert answer.status_code == 200
    assert answer["Content-Type"] == "application/json"
    first = answer.json()[0]
    assert answer.json()[0] == {
        "id": ada.public_id,
        "name": "Ada",
        "email": "ada@acme.example",
        "created_at": first["created_at"],
    }
    assert [list(user) for user in answer.json()] == [["id", "name", "email", "created_at"]] * 2
    assert USER_ID.fullmatch(first["id"]) and INSTANT.fullmatch(first["created_at"])


def test_get_users_by_pages(key, ada, ann, dev):
    answer = call("GET /v1/users?limit=1&offset=1", key)
    assert [user["email"] for user in answer.json()] == ["ann@acme.example"]
    assert answer["X-Total-Count"] == "3"
    assert {'rel="first"', 'rel="prev"', 'rel="next"', 'rel="last"'} <= set(re.findall(r'rel="\w+"', answer["Link"]))


# M22: a new user


def test_post_users(key, acme):
    answer = call("POST /v1/users", key, JOHN)
    assert answer.status_code == 201
    body = answer.json()
    expected = {"id": body["id"], "name": "John Doe", "email": "john.doe@example.com", "created_at": body["created_at"]}
    assert list(body.items()) == list(expected.items())
    assert USER_ID.fullmatch(body["id"]) and INSTANT.fullmatch(body["created_at"])
    john = User.objects.get(email="john.doe@example.com")
    assert john.check_password("secure_password123")
    assert Membership.objects.get(user=john, organization=acme).role == Role.VIEWER


def test_post_users_with_a_taken_address(key):
    assert call("POST /v1/users", key, JOHN).status_code == 201
    answer = call("POST /v1/users", key, JOHN, **{"X-Request-ID": "seed-example"})
    assert answer.status_code == 400
    assert answer.json() == {
        "error": "Email address is already in use.",
        "code": "invalid_request",
        "request_id": "seed-example",
        "docs": "http://127.0.0.1:8000/docs/errors#invalid_request",
        "fields": {"email": ["Email address is already in use."]},
    }


@pytest.mark.parametrize(("password", "status"), [("1234567", 400), ("12345678", 201)])
def test_a_password_has_eight_characters(key, password, status):
    assert call("POST /v1/users", key, {**JOHN, "password": password}).status_code == status


@pytest.mark.parametrize("missing", ["name", "email", "password"])
def test_post_users_needs_all_three(key, missing):
    answer = call("POST /v1/users", key, {name: value for name, value in JOHN.items() if name != missing})
    assert (answer.status_code, list(answer.json()["fields"])) == (400, [missing])


# M23: change and removal


@pytest.mark.parametrize(
    ("change", "name", "email"),
    [
        ({"name": "Jane Doe"}, "Jane Doe", "john.doe@example.com"),
        ({"email": "jane.doe@example.com"}, "John Doe", "jane.doe@example.com"),
        ({"name": "Jane Doe", "email": "jane.doe@example.com"}, "Jane Doe", "jane.doe@example.com"),
    ],
)
def test_put_users(key, change, name, email):
    made = call("POST /v1/users", key, JOHN).json()["id"]
    answer = call(f"PUT /v1/users/{made}", key, change)
    assert answer.status_code == 200
    body = answer.json()
    expected = {"id": made, "name": name, "email": email, "updated_at": body["updated_at"]}
    assert list(body.items()) == list(expected.items())
    assert INSTANT.fullmatch(body["updated_at"])


def test_delete_users(key):
    made = call("POST /v1/users", key, JOHN).json()["id"]
    answer = call(f"DELETE /v1/users/{made}", key)
    assert (answer.status_code, answer.content) == (204, b"")
    gone = call(f"GET /v1/users/{made}", key)
    assert (gone.status_code, gone.json()["code"]) == (404, "not_found")


# M24: errors


def broken(*_arguments: Any, **_options: Any) -> None:
    raise RuntimeError


def check_error(answer: Any, status: int) -> None:
    assert (answer.status_code, answer["Content-Type"]) == (status, "application/json")
    assert isinstance(answer.json()["error"], str) and answer.json()["error"]
    assert answer.json()["request_id"] == answer["X-Request-ID"]
    assert {"code", "docs"} <= set(answer.json())


def test_400(key):
    check_error(call("POST /v1/users", key, b"{"), 400)


@pytest.mark.parametrize(
    "text", ["nonsense", "ipk_nonsense", "ipk_" + "0" * 50, "YOUR_API_KEY", "sk_live_0123456789", "ipk_é"]
)
def test_401(text):
    answer = call("GET /v1/users", text.encode().decode("latin-1"))
    check_error(answer, 401)
    # Followed, where it can be told, by what was seen.
    assert answer.json()["error"].startswith("Invalid API key provided.")
    assert answer["WWW-Authenticate"].startswith("Bearer ")


def test_403(make_key, acme):
    check_error(call("POST /v1/users", make_key(acme, "users:read").text, JOHN), 403)


def test_404(key):
    check_error(call("GET /v1/users/user_0000000000000000000000", key), 404)


def test_429(make_key, acme):
    key = make_key(acme, "users:read", limits={"minute": 1}).text
    call("GET /v1/users", key)
    answer = call("GET /v1/users", key)
    check_error(answer, 429)
    assert 1 <= int(answer["Retry-After"]) <= 60


def test_500(key, monkeypatch):
    monkeypatch.setattr("apps.orgs.members.users.create_user", broken)
    answer = call("POST /v1/users", key, JOHN)
    check_error(answer, 500)
    assert list(answer.json()) == ["error", "code", "request_id", "docs"]


# M25: limits


def test_a_key_has_a_hundred_calls_a_minute_and_five_thousand_an_hour(key):
    answer = call("GET /v1/users", key)
    assert answer["RateLimit-Limit"] == "100"
    assert answer["RateLimit-Remaining"] == "99"
    assert answer["RateLimit-Reset"] == "60"
    assert answer["RateLimit-Policy"] == '"minute";q=100;w=60, "hour";q=5000;w=3600'
    assert answer["RateLimit"] == '"minute";r=99;t=60, "hour";r=4999;t=3600'


def test_the_hundred_and_first_call_of_a_minute_is_429(key):
    assert [call("GET /v1/users", key).status_code for _ in range(101)] == [200] * 100 + [429]


def test_limits_are_the_keys_own(make_key, acme):
    answer = call("GET /v1/users", make_key(acme, "users:read", limits={"minute": 7, "hour": 70}).text)
    assert answer["RateLimit-Policy"] == '"minute";q=7;w=60, "hour";q=70;w=3600'


def test_every_answer_to_a_key_has_the_limits(key, monkeypatch):
    made = call("POST /v1/users", key, JOHN).json()["id"]
    answers = {
        200: call("GET /v1/users", key),
        201: call("POST /v1/users", key, {**JOHN, "email": "jo@example.com"}),
        207: call("POST /v1/users/batch", key, {"users": [JOHN]}),
        400: call("POST /v1/users", key, JOHN),
        403: call("GET /v1/api-keys", key),
        404: call("GET /v1/nowhere", key),
        405: call("DELETE /v1/users", key),
        406: call("GET /v1/users", key, Accept="image/png"),
        413: call("POST /v1/users", key, b"x" * (1024 * 1024 + 1)),
        415: Client(headers={"X-API-Key": key}).post("/v1/users", "x", content_type="text/plain"),
        204: call(f"DELETE /v1/users/{made}", key),
    }
    with monkeypatch.context() as patch:
        patch.setattr("apps.orgs.members.users.create_user", broken)
        answers[500] = call("POST /v1/users", key, JOHN)
    answers[429] = [call("GET /v1/users", key) for _ in range(100)][-1]
    assert {status: answer.status_code for status, answer in answers.items()} == {status: status for status in answers}
    missing = {status: name for status, answer in answers.items() for name in LIMITS if name not in answer}
    assert missing == {}
    remaining = [int(answer["RateLimit-Remaining"]) for answer in answers.values()]
    # The first call made the user; then each counted once, whatever became of it; the refused one had none left.
    assert remaining == [*range(98, 86, -1), 0]


def test_a_401_has_none():
    answer = call("GET /v1/users", "nonsense")
    assert [name for name in LIMITS if name in answer] == []

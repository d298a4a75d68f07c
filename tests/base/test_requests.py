"""The error response, strict bodies, and the order of checks."""

import gzip
import json

import pytest

from apps.audit.models import ApiCall

pytestmark = pytest.mark.django_db
GOOD = b'{"name":"Jo","email":"jo@example.com","password":"password1"}'


def test_the_error_shape(api, acme_key):
    answer = api(acme_key).get("/v1/users/user_nobody", headers={"X-Request-ID": "abcd-1234.x_y"})
    assert answer.status_code == 404
    assert answer.json() == {
        "error": "Not found.",
        "code": "not_found",
        "request_id": "abcd-1234.x_y",
        "docs": "http://127.0.0.1:8000/docs/errors#not_found",
    }
    assert answer["X-Request-ID"] == "abcd-1234.x_y"
    assert answer["Content-Type"] == "application/json"


def test_a_compressed_body_is_415_and_says_what_is_taken(api, acme_key, browser_of, ada):
    body = gzip.compress(b'{"name":"Q","email":"q@x.example","password":"password1"}')
    for coding in ("gzip", "deflate", "br", "zstd", "x-unknown", "gzip, identity", "", "GZIP"):
        answer = api(acme_key).post("/v1/users", body, headers={"Content-Encoding": coding})
        assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type"), coding
        assert answer["Accept-Encoding"] == "identity"
        page = browser_of(ada).post("/account/language/", b"x", "text/plain", headers={"Content-Encoding": coding})
        assert (page.status_code, page["Accept-Encoding"]) == (415, "identity")
    plain = {"name": "Q", "email": "q@x.example", "password": "password1"}
    assert api(acme_key).post("/v1/users", plain, headers={"Content-Encoding": "Identity"}).status_code == 201
    assert api(acme_key).get("/v1/users", headers={"Content-Encoding": "gzip"}).status_code == 200, "there is no body"


def test_a_byte_order_mark_before_json_is_passed_over(api, acme_key):
    body = b'\xef\xbb\xbf{"name":"Q","email":"q@x.example","password":"password1"}'
    assert api(acme_key).post("/v1/users", body).status_code == 201
    for wrong in (b"\xef\xbb\xbf", b"\xef\xbb\xbf" * 2 + body[3:], body[3:].decode().encode("utf-16")):
        assert api(acme_key).post("/v1/users", wrong).status_code == 400


@pytest.mark.parametrize("given", ["short", "x" * 65, "with space", "ümlaut-12345"])
def test_a_bad_request_id_is_replaced(client, given):
    answer = client.get("/v1/me", headers={"X-Request-ID": given.encode().decode("latin-1")})
    assert answer["X-Request-ID"] != given and len(answer["X-Request-ID"]) == 32


def test_a_key_is_no_request_id(api, acme_key):
    answer = api(acme_key).get("/v1/me", headers={"X-Request-ID": acme_key.text})
    assert answer.status_code == 200 and acme_key.text not in str(answer.headers)
    assert not ApiCall.objects.filter(request_id=acme_key.text).exists()


def test_unknown_paths(client, api, acme_key):
    for path in ("/v1", "/v1/", "/v1/nowhere", "/v1/users/a/b/c", "/v1/%00"):
        assert client.get(path).json()["code"] == "not_found", path
        assert client.get(path).status_code == 404
        assert api(acme_key).get(path).status_code == 404


def test_a_line_break_in_a_path_is_counted_like_any_other_call(api, acme_key):
    answer = api(acme_key).get("/v1/users%0A")
    assert (answer.status_code, answer["RateLimit-Remaining"]) == (404, "99")


def test_a_trailing_slash_makes_no_difference(api, acme_key):
    assert api(acme_key).get("/v1/users/").status_code == 200
    assert api(acme_key).get("/v1/users").status_code == 200


def test_unknown_methods(api, acme_key):
    answer = api(acme_key).delete("/v1/users")
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    assert {"GET", "POST"} <= set(answer["Allow"].split(", "))


def test_missing_scope(api, make_key, acme):
    answer = api(make_key(acme, "users:read")).post("/v1/users", {})
    assert (answer.status_code, answer.json()["code"]) == (403, "insufficient_scope")
    assert "users:write" in answer.json()["error"] and "admin" in answer.json()["error"]


def test_write_includes_read(api, make_key, acme):
    assert api(make_key(acme, "users:write")).get("/v1/users").status_code == 200


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("*/*", 200),
        ("application/json", 200),
        ("application/json;q=0.5, text/plain", 200),
        ("application/*", 200),
        ("text/plain", 406),
        ("image/png, text/csv", 406),
    ],
)
def test_accept(api, acme_key, accept, status):
    assert api(acme_key).get("/v1/users", headers={"Accept": accept}).status_code == status


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"{", "JSON"),
        (b'{"name":"a","name":"b"}', "twice"),
        (b'{"name":NaN}', "NaN"),
        (b'{"name":Infinity}', "Infinity"),
        (b'{"name":"a\\u0000b"}', "NUL"),
        (b'{"name":"\\ud800"}', "surrogate"),
        (b'{"name":0.12345678901234567890123}', "double"),
        (b'{"name":1e400}', "double"),
        (b'{"name":' + b"9" * 4301 + b"}", "digits"),
        (b"[" * 65 + b"]" * 65, "64"),
        (b"[" * 10_000, "64"),
        (b'{"name":"\xff"}', "UTF-8"),
        (b"[]", "dictionary"),
        (b'"text"', "dictionary"),
    ],
)
def test_bodies_that_could_be_read_in_two_ways(api, acme_key, body, says):
    answer = api(acme_key).post("/v1/users", body)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
    assert says in json.dumps(answer.json())


def test_other_content_types(api, acme_key):
    client = api(acme_key).client
    answer = client.post("/v1/users", GOOD, content_type="text/plain")
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")
    for wildcard in ("*/*", "application/*"):
        assert client.post("/v1/users", GOOD, content_type=wildcard).status_code == 415
    assert client.post("/v1/users", GOOD, content_type="application/json; charset=utf-8").status_code == 201


def test_large_bodies(api, acme_key):
    answer = api(acme_key).post("/v1/users", b'{"name":"' + b"x" * 1024 * 1024 + b'"}')
    assert (answer.status_code, answer.json()["code"]) == (413, "payload_too_large")


def test_the_object_is_looked_for_before_the_body_is_read(api, acme_key):
    assert api(acme_key).put("/v1/users/user_nobody", b"{").status_code == 404


@pytest.mark.parametrize(
    ("query", "name"),
    [("limit=0", "limit"), ("limit=201", "limit"), ("limit=x", "limit"), ("offset=-1", "offset"), ("limit=", "limit")],
)
def test_lists_name_the_wrong_parameter(api, acme_key, query, name):
    answer = api(acme_key).get(f"/v1/users?{query}")
    assert answer.status_code == 400 and list(answer.json()["fields"]) == [name]


def test_lists_have_totals_and_neighbours(api, admin_key, acme, person):
    for index in range(5):
        person(f"P{index}", acme)
    answer = api(admin_key).get("/v1/users?limit=2&offset=2")
    assert [user["name"] for user in answer.json()] == ["P2", "P3"]
    assert answer["X-Total-Count"] == "5"
    link = answer["Link"]
    assert [name for name in ("first", "prev", "next", "last") if f'rel="{name}"' not in link] == []
    assert "offset=4" in link.split('rel="last"')[0].rsplit("<", 1)[1]
    beyond = api(admin_key).get("/v1/users?limit=2&offset=99")["Link"]
    assert "offset=4" in beyond.split('rel="prev"')[0].rsplit("<", 1)[1]


@pytest.mark.parametrize("query", ["x={key}", "{key}=x", "{key}", "limit={key}", "x=1&{key}"])
def test_a_key_in_the_query_string_comes_back_nowhere(api, acme_key, query):
    answer = api(acme_key).get("/v1/users?" + query.format(key=acme_key.text))
    assert answer.status_code == 400
    assert acme_key.text not in answer.content.decode() + str(answer.headers)


def test_a_session_counts_only_where_a_page_is_asked_for(browser_of, ada, acme):
    browser = browser_of(ada)
    assert browser.get("/v1/users").json()["code"] == "missing_api_key"
    answer = browser.get("/v1/users", headers={"Accept": "text/html,*/*;q=0.8"})
    assert answer.status_code == 200 and answer["Content-Type"].startswith("text/html")


def test_an_unexpected_error_tells_nothing(api, acme_key, monkeypatch):
    def broken(**_options):
        raise RuntimeError("the database password is hunter2")

    monkeypatch.setattr("apps.orgs.members.users.create_user", broken)
    answer = api(acme_key).post("/v1/users", GOOD)
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert "hunter2" not in answer.content.decode()


def test_a_sessions_change_needs_its_csrf_token(ada, acme):
    import time

    from allauth.account.internal.flows.login import AUTHENTICATION_METHODS_SESSION_KEY
    from django.test import Client

    from apps.orgs.models import User

    browser = Client(enforce_csrf_checks=True, headers={"Accept": "text/html"})
    browser.force_login(ada)
    session = browser.session
    session[AUTHENTICATION_METHODS_SESSION_KEY] = [{"method": "password", "at": time.time()}]
    session["account_authentication_methods_user"] = str(ada.pk)
    session.save()
    answer = browser.post("/v1/users", GOOD, content_type="application/json")
    assert answer.status_code == 403 and not User.objects.filter(email="jo@example.com").exists()
    browser.get("/o/acme/settings/integration/api-keys/create/")
    token = browser.cookies["csrf"].value
    form = {"name": "Jo", "email": "jo@example.com", "password": "password1", "csrfmiddlewaretoken": token}
    from urllib.parse import urlencode

    answer = browser.post("/v1/users", urlencode(form), content_type="application/x-www-form-urlencoded")
    assert answer.status_code == 201


def test_a_form_from_a_key_is_415(api, acme_key):
    answer = api(acme_key).client.post("/v1/users", "name=x", content_type="application/x-www-form-urlencoded")
    assert answer.status_code == 415


def test_the_sentence_for_a_missing_key_is_whole(client):
    assert "Authorization: Bearer KEY" in client.get("/v1/me").json()["error"]


def test_a_media_type_with_q_zero_is_not_accepted(api, acme_key):
    for accept in ("application/json;q=0", "image/*;q=0.5, text/html;q=0", "*/*;q=0.0"):
        assert api(acme_key).get("/v1/users", headers={"Accept": accept}).status_code == 406, accept
    assert api(acme_key).get("/v1/users", headers={"Accept": "text/html;q=0, application/json"}).status_code == 200


@pytest.mark.parametrize("accept", ["text/*", "TEXT/HTML", "Text/Html;q=0.9", "*/*;q=0, text/*;q=0.1"])
def test_pages_in_any_spelling_are_made_the_long_way(api, acme_key, client, accept):
    """After a committed change the response must not be 500: the secret of a new key would be lost."""
    body = {"name": "Ada", "email": "ada@pages.example", "password": "correct horse battery"}
    answer = api(acme_key).post("/v1/users", body, headers={"Accept": accept})
    assert (answer.status_code, answer["Content-Type"]) == (201, "text/html; charset=utf-8")
    assert client.get("/v1/users", headers={"Accept": accept}).status_code == 401


def test_length_comes_before_type(api, acme_key):
    answer = api(acme_key).client.post("/v1/users", "x" * (1024 * 1024 + 1), content_type="text/plain")
    assert answer.status_code == 413


def test_what_is_wrong_with_the_whole_body_is_named_body(api, acme_key):
    assert list(api(acme_key).post("/v1/users", b"[]").json()["fields"]) == ["body"]


def test_a_header_sent_twice_is_read_as_two(client, acme_key, rival_key):
    for name, form in (("X-API-Key", "{}"), ("Authorization", "Bearer {}")):
        twice = {name: ", ".join([form.format(acme_key.text)] * 2)}
        assert client.get("/v1/me", headers=twice).status_code == 200
        two = {name: f"{form.format(acme_key.text)},{form.format(rival_key.text)}"}
        assert client.get("/v1/me", headers=two).json()["code"] == "ambiguous_credentials"


def test_a_body_in_chunks_is_read_whole():
    """As a WSGI server passes a chunked body: without a length, in an input that ends."""
    import io

    from django.core.exceptions import RequestDataTooBig
    from django.core.handlers.wsgi import WSGIRequest
    from django.http import HttpResponse
    from django.test import RequestFactory

    from apps.base.web.middleware import RequestMiddleware

    def read(body):
        environ = RequestFactory().post("/v1/users", b"", content_type="application/json").environ
        environ.pop("CONTENT_LENGTH", None)
        environ |= {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input": io.BytesIO(body)}
        request = WSGIRequest(environ)
        RequestMiddleware(lambda _request: HttpResponse())(request)
        return request

    assert read(GOOD).body == GOOD
    with pytest.raises(RequestDataTooBig):
        assert read(b"x" * 3_000_000).body


@pytest.mark.parametrize("query", ["deliveries?event_type=bad", "events?type=bad", "events?type=Order.created"])
def test_a_filter_that_can_be_no_event_type_is_named(api, acme_key, query):
    answer = api(acme_key).get(f"/v1/{query}")
    assert answer.status_code == 400 and list(answer.json()["fields"]) == [query.split("?")[1].split("=")[0]]


@pytest.mark.parametrize("body", [b" ", b"\n", b"\x0b", b"\xef\xbb\xbf"])
def test_blanks_are_no_json(client, acme_key, body):
    headers = {"X-API-Key": acme_key.text}
    answer = client.post("/v1/events", body, content_type="application/json", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request") and "JSON" in answer.json()["error"]

"""The browsable API: a page for every response, and forms that work without JavaScript."""

import html
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client

from apps.api_keys.models import ApiKey
from apps.audit.models import ApiCall, AuditEntry
from apps.base.actor import system
from apps.base.rest import views as door
from apps.orgs.members import membership as orgs_membership
from apps.orgs.models import Membership, OrganizationStatus, Role, User
from apps.sdk_keys import actions, key_query
from apps.webhooks import actions as webhooks
from apps.webhooks.models import Endpoint
from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db

FORM = "application/x-www-form-urlencoded"
HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
HOSTILE = "</script><img src=x onerror=alert(1)>\"'&"
KEY = {"name": "Made", "type": "partner", "scopes": "users:read\norders:read"}


class Person:
    """The browser of a member, which reads pages and submits their forms."""

    def __init__(self, client: Client) -> None:
        self.client = client
        client.raise_request_exception = False

    def get(self, path: str) -> Any:
        return self.client.get(path, headers=HTML)

    def send(self, path: str, fields: dict[str, Any] | None = None, method: str = "", **headers: str) -> Any:
        named = {"_method": method} if method else {}
        return self.client.post(path, urlencode({**(fields or {}), **named}), FORM, headers={**HTML, **headers})


@pytest.fixture
def owner(browser_of: Callable[..., Client], ada: User) -> Person:
    return Person(browser_of(ada))


@pytest.fixture
def developer(browser_of: Callable[..., Client], dev: User) -> Person:
    return Person(browser_of(dev))


@pytest.fixture
def viewer(browser_of: Callable[..., Client], vera: User) -> Person:
    return Person(browser_of(vera))


@pytest.fixture
def endpoint(acme: Any, ada: User) -> Endpoint:
    made, _secret = webhooks.create_endpoint(
        actor=system(acme.pk), url="https://hooks.acme.example/in", event_types=["order.*"], headers={"X-Team": "blue"}
    )
    return made


def page(answer: Any) -> str:
    """Return the text of a response, which must be a page."""
    assert answer["Content-Type"] == "text/html; charset=utf-8"
    text: str = answer.content.decode()
    assert "<!doctype html>" in text
    return text


def value_of(text: str, name: str, form: str) -> str:
    """Return the value of a field of an operation's form."""
    within = text.split(f'id="{form}"', 1)[1].split("</form>", 1)[0]
    area = re.search(rf'<textarea[^>]* name="{name}"[^>]*>\n(.*?)</textarea>', within, re.DOTALL)
    found = area or re.search(rf'name="{name}"[^>]* value="([^"]*)"', within)
    assert found, name
    return html.unescape(found[1])


# Pages


def test_the_root_lists_everything_with_what_the_role_may(owner, viewer):
    text = page(owner.get("/v1/"))
    assert 'href="/v1/webhook-endpoints"' in text and "/v1/sdk-keys/{id}/rotate" in text
    assert owner.client.head("/v1/", headers=HTML).status_code == 200
    assert page(owner.get("/v1")) and text.count("You may") > page(viewer.get("/v1/")).count("You may") > 10
    assert "Lowest role: Admin" in " ".join(page(viewer.get("/v1/")).split())


def test_the_root_is_no_path_to_anybody_else(client, api, acme_key, owner):
    for path in ("/v1", "/v1/"):
        assert client.get(path, headers=HTML).json()["code"] == "not_found"
        assert client.get(path, headers={**HTML, **acme_key.headers}).status_code == 404
        assert owner.send(path).status_code == 404
        assert owner.client.get(path).json()["code"] == "not_found"


def test_a_page_shows_the_answer_and_leads_on(owner, acme, make_key):
    keys = [make_key(acme, name=f"Key {number}").row for number in range(3)]
    text = page(owner.get("/v1/api-keys?limit=1&offset=1&x="))
    assert f'<a href="/v1/api-keys/{keys[1].public_id}">' in text and keys[0].public_id not in text
    assert "GET /v1/api-keys?limit=1&amp;offset=1" in text and "X-Total-Count" in text and "200 OK" in text
    assert 'rel="prev" href="/v1/api-keys?limit=1&amp;offset=0"' in text
    assert keys[2].public_id in page(owner.get(html.unescape(re.search(r'rel="next" href="([^"]+)"', text)[1])))
    one = page(owner.get(f"/v1/api-keys/{keys[1].public_id}"))
    assert '<a href="/v1/api-keys">api-keys</a>' in one and f'href="/v1/api-keys/{keys[1].public_id}/usage"' in one
    for below in ("rotate", "revoke", "disable"):
        assert f'action="/v1/api-keys/{keys[1].public_id}/{below}"' in one


def test_a_device_is_reached_from_the_list_of_its_key(owner, acme):
    new = actions.NewSdkKey(name="App", platform="ios", app_id="com.acme.app")
    key, _text = actions.create_sdk_key(actor=system(acme.pk), new=new)
    row = key_query.ROW_SOURCE.get(key.key_id)
    device, _token, _is_new = actions.activate(actor=system(acme.pk), row=row, device=actions.Device("phone"))
    path = f"/v1/sdk-keys/{key.public_id}/activations"
    assert f'<a href="{path}/{device.public_id}">' in page(owner.get(path))
    refused = owner.get(f"{path}/{device.public_id}")
    assert refused.status_code == 405 and 'value="DELETE"' in page(refused)
    done = owner.send(f"{path}/{device.public_id}", method="DELETE")
    assert "204 No Content" in page(done) and AuditEntry.objects.filter(action="sdk_key.deactivated").exists()


def test_searching_leaves_out_what_is_empty(owner, endpoint):
    text = page(owner.get(f"/v1/deliveries?endpoint={endpoint.public_id}&status=&event=&since=&limit="))
    assert f"GET /v1/deliveries?endpoint={endpoint.public_id}</h2>" in text and "200 OK" in text
    assert f'value="{endpoint.public_id}"' in text and "<option>exhausted</option>" in text
    wrong = owner.get("/v1/deliveries?status=lost")
    assert wrong.status_code == 400 and '<details class="card fold op" open>' in page(wrong)


def test_it_speaks_the_readers_language_and_the_api_english(owner, ada):
    User.objects.filter(pk=ada.pk).update(language="fr")
    answer = owner.get("/v1/users/user_nobody")
    text = page(answer)
    assert answer["Content-Language"] == "fr" and '<html lang="fr"' in text and ">Not found.<" in text
    assert "Vue d’ensemble" in text


def test_every_refusal_is_a_page(owner, viewer, monkeypatch):
    def broken(*_arguments: Any, **_options: Any) -> None:
        raise RuntimeError("the database password is hunter2")

    for answer, status in (
        (owner.get("/v1/nowhere"), 404),
        (owner.get("/v1/users/user_nobody"), 404),
        (owner.get("/v1/users/batch"), 405),
        (owner.get("/v1/me"), 403),
        (viewer.send("/v1/users", {"name": "x"}), 403),
        (owner.client.post("/v1/users", "a=b", "text/plain", headers=HTML), 415),
    ):
        assert answer.status_code == status and '<a href="/docs/errors#' in page(answer), status
    monkeypatch.setattr(orgs_membership, "find_membership", broken)
    answer = owner.get("/v1/users/user_x")
    assert answer.status_code == 500 and "hunter2" not in page(answer)
    assert answer["X-Request-ID"] in page(answer)


def test_a_condition_on_a_page_is_not_taken_for_kept(owner, endpoint):
    path = f"/v1/webhook-endpoints/{endpoint.public_id}"
    answer = owner.client.get(path, headers={**HTML, "If-Match": '"another"'})
    assert answer.status_code == 400 and "This call takes no If-Match" in page(answer)
    assert owner.client.get(path, headers={**HTML, "If-None-Match": "*"}).status_code == 200
    changed = owner.send(path, {"description": "new"}, "PATCH", **{"If-Match": '"another"'})
    assert changed.status_code == 412 and Endpoint.objects.get(pk=endpoint.pk).description != "new"


UNREADABLE = [
    ("_json=" + "x" * 1_100_000, FORM, 413, "payload_too_large"),
    ("name=x", FORM + "; charset=utf-16", 400, "invalid_request"),
    ("x", "multipart/form-data; boundary=", 400, "invalid_request"),
]


@pytest.mark.parametrize(("body", "kind", "status", "code"), UNREADABLE, ids=["long", "utf-16", "no form"])
def test_a_form_that_cannot_be_read_is_refused_on_a_page_and_logged_as_its_senders(
    browser_of, ada, body, kind, status, code
):
    browser = browser_of(ada)
    browser.handler.enforce_csrf_checks = True
    browser.get("/v1/users", headers=HTML)  # brings the token's cookie: without it nothing is read
    answer = browser.post("/v1/users", body, kind, headers=HTML)
    assert answer.status_code == status and f'<a href="/docs/errors#{code}' in page(answer)
    call = ApiCall.objects.get(route="/v1/users", method="POST")
    assert (call.actor_id, call.status, call.code) == (ada.public_id, status, code)


def test_names_are_text(owner, acme, make_key):
    key = make_key(acme, name=HOSTILE).row
    for path in (f"/v1/api-keys/{key.public_id}", "/v1/api-keys", "/v1/%3Cimg%20src=x%3E",
                 "/v1/users/%22%3E%3Cimg%20src=x%3E", "/v1/users?limit=%22%3E%3Cimg%20src=x%3E"):  # fmt: skip
        text = page(owner.get(path))
        assert "<img" not in text and "onerror=alert(1)>" not in text, path
    sent = page(owner.send("/v1/api-keys", {**KEY, "name": HOSTILE, "expires_in_days": '"><img>'}))
    assert "<img" not in sent and value_of(sent, "name", "createApiKey") == HOSTILE
    raw = page(owner.send("/v1/invitations", {"_json": "</textarea><img>"}))
    assert "<img" not in raw and "&lt;/textarea&gt;&lt;img&gt;" in raw


def test_request_data_never_becomes_a_response_header(owner):
    answer = owner.send("/v1/users?organization=acme%0d%0aX-Evil:1", {"_idempotency_key": "a\r\nX-Evil: 1"})
    assert answer.status_code in (400, 404) and "X-Evil" not in answer
    answer = owner.send("/v1/invitations", {"email": "jo@example.com", "role": "viewer", "_idempotency_key": "a\r\nb"})
    assert answer.status_code == 400 and "Idempotency-Key" in page(answer)


# Forms


def test_a_form_is_filled_with_what_the_organization_has(owner, endpoint):
    keys = page(owner.get("/v1/api-keys"))
    assert value_of(keys, "type", "createApiKey") == "partner" and '<option value="internal">' in keys
    assert '<code class="tag">invoices:read</code>' in keys
    endpoints = page(owner.get("/v1/webhook-endpoints"))
    assert value_of(endpoints, "url", "createWebhookEndpoint") == endpoint.url
    assert '<code class="tag">order.*</code>' in endpoints and '<code class="tag">order.created</code>' in endpoints
    one = page(owner.get(f"/v1/webhook-endpoints/{endpoint.public_id}"))
    assert value_of(one, "event_types", "updateWebhookEndpoint") == "order.*"
    assert value_of(one, "max_in_flight", "updateWebhookEndpoint") == "16"
    assert "••••" in value_of(one, "headers", "updateWebhookEndpoint")
    assert "correct horse battery" not in page(owner.get("/v1/users"))


def test_texts_become_what_the_body_has(owner, acme):
    fields = {**KEY, "expires_in_days": "30", "limits": '{"minute": 5}', "never_expires": "", "subject": "",
              "allowed_networks": "203.0.113.0/24\r\n\r\n 198.51.100.7/32 "}  # fmt: skip
    answer = owner.send("/v1/api-keys", fields)
    assert answer.status_code == 201, page(answer)
    key = ApiKey.objects.for_actor(system(acme.pk)).get(name="Made")
    assert key.scopes == ["users:read", "orders:read"] and key.limit_minute == 5
    assert key.allowed_networks == ["203.0.113.0/24", "198.51.100.7/32"]
    assert owner.send("/v1/api-keys", {**KEY, "type": "internal", "never_expires": "true"}).status_code == 201
    assert ApiKey.objects.get(key_type__name="internal").expires_at is None


def test_a_secret_is_shown_once_and_alone(owner):
    fields = {**KEY, "_idempotency_key": "once-1"}
    first, again = owner.send("/v1/api-keys", fields), owner.send("/v1/api-keys", fields)
    text = page(first)
    secret = re.search(r"ipk_[0-9A-Za-z]{50}", text)
    assert secret and "Change something" not in text and "data-secret" in text
    assert (first["Referrer-Policy"], first["Cache-Control"]) == ("same-origin", "no-store, private")
    assert again["Idempotency-Replayed"] == "true" and "ipk_" + secret[0][4:] not in page(again)
    assert ApiKey.objects.filter(name="Made").count() == 1


def test_one_can_sign_out_where_a_secret_is_shown_and_a_program_gets_no_referrer(owner, api, admin_key):
    # "no-referrer" makes a browser send "Origin: null" with the forms of the page, which is refused.
    assert 'action="/account/logout/"' in page(shown := owner.send("/v1/api-keys", KEY))
    made = api(admin_key).post("/v1/api-keys", {**KEY, "scopes": ["users:read"]})
    assert (made.status_code, made["Referrer-Policy"], shown["Referrer-Policy"]) == (201, "no-referrer", "same-origin")


def test_only_what_was_changed_is_sent(owner, endpoint):
    path = f"/v1/webhook-endpoints/{endpoint.public_id}"
    text = page(owner.get(path))
    names = ("url", "event_types", "description", "headers", "rate_limit_per_second", "max_in_flight", "_before")
    fields = {name: value_of(text, name, "updateWebhookEndpoint") for name in names}
    nothing = owner.send(path, fields, "PATCH")
    assert nothing.status_code == 200
    done = owner.send(path, {**fields, "description": "Desk", "event_types": "order.*\r\ninvoice.paid"}, "PATCH")
    assert done.status_code == 200, page(done)
    before, endpoint = endpoint, Endpoint.objects.get(pk=endpoint.pk)
    assert (endpoint.description, endpoint.event_types) == ("Desk", ["order.*", "invoice.paid"])
    assert (endpoint.headers, endpoint.max_in_flight) == (before.headers, 16)
    cleared = owner.send(path, {"description": "", "_before": '{"description": "Desk"}'}, "PATCH")
    assert cleared.status_code == 200 and Endpoint.objects.get(pk=endpoint.pk).description == ""


def test_the_limits_of_a_type_do_not_become_the_keys_own(owner, acme, make_key):
    key = make_key(acme, name="Old").row
    path = f"/v1/api-keys/{key.public_id}"
    text = page(owner.get(path))
    names = ("scopes", "allowed_networks", "limits", "_before")
    fields = {name: value_of(text, name, "updateApiKey") for name in names}
    assert '"minute": 100' in fields["limits"]
    assert owner.send(path, {**fields, "name": "New"}, "PATCH").status_code == 200
    key.refresh_from_db()
    assert (key.name, key.limit_minute) == ("New", None)


BAD = [
    ("/v1/api-keys", {**KEY, "expires_in_days": "soon"}, "expires_in_days"),
    ("/v1/api-keys", {**KEY, "limits": "{"}, "limits"),
    ("/v1/api-keys", {**KEY, "limits": '{"minute": 0}'}, "limits"),
    ("/v1/api-keys", {**KEY, "limits": "[" * 70}, "limits"),
    ("/v1/api-keys", {**KEY, "never_expires": "maybe"}, "never_expires"),
    ("/v1/api-keys", {**KEY, "expires_in_days": "9" * 5000}, "expires_in_days"),
    ("/v1/invitations", {"email": "no address", "role": "viewer"}, "email"),
    ("/v1/invitations", {"email": "jo@example.com", "role": "king"}, "role"),
    ("/v1/webhook-endpoints", {"url": "https://127.0.0.1/", "event_types": "*"}, "url"),
    ("/v1/sdk-keys", {"name": "App", "platform": "ios", "app_id": "com.acme.a", "activation_limit": "1.5"},
     "activation_limit"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "fields", "wrong"), BAD, ids=lambda each: str(each)[:30])
def test_what_is_wrong_stands_beside_its_field_and_what_was_typed_stays(owner, path, fields, wrong):
    answer = owner.send(path, fields)
    text = page(answer)
    assert answer.status_code == 400
    form = re.search(r'<details class="fold op" open>.*?<div class="pad stack-s" id="(\w+)">', text, re.S)
    assert form and re.search(rf'name="{wrong}"[^>]*aria-invalid="true"', text)
    assert f'id="f-{form[1]}-{wrong}_error"' in text
    for name, value in fields.items():
        if name not in ("role", "never_expires"):
            assert value_of(text, name, form[1]) == value, name


def test_a_field_that_is_not_there_is_named(owner):
    answer = owner.send("/v1/invitations", {"email": "jo@example.com", "role": "viewer", "is_staff": "true"})
    assert answer.status_code == 400 and "is_staff: This field is not known here" in page(answer)
    assert owner.send("/v1/invitations", {"email": "a\0b", "role": "viewer"}).status_code == 400
    many = {f"f{number}": "x" for number in range(1200)}
    assert owner.send("/v1/invitations", many).status_code == 400
    assert owner.send("/v1/invitations", {"email": "x" * 1_100_000}).status_code == 413


def test_a_password_is_not_given_back(owner):
    fields = {"name": "Jo", "email": "no address", "password": "canary-of-the-form"}
    answer = owner.send("/v1/users", fields)
    assert answer.status_code == 400 and "canary-of-the-form" not in page(answer)
    assert value_of(page(answer), "email", "createUser") == "no address"
    raw = '{"name": "Jo", "email": "no address", "password": "canary-of-the-form"}'
    answer = owner.send("/v1/users", {"_json": raw})
    assert answer.status_code == 400 and "canary-of-the-form" not in page(answer) and "no address" in page(answer)
    batch = '{"users": [{"name": "", "password": "canary-of-the-form"}], "x": 1}'
    assert "canary-of-the-form" not in page(owner.send("/v1/users/batch", {"_json": batch}))
    hook = {"url": "http://x", "event_types": "*", "headers": '{"X-Auth": "canary-of-the-form"}'}
    assert "canary-of-the-form" not in page(owner.send("/v1/webhook-endpoints", hook))
    hook_raw = '{"url": "http://x", "event_types": ["*"], "headers": {"X-Auth": "canary-of-the-form"}}'
    text = page(owner.send("/v1/webhook-endpoints", {"_json": hook_raw}))
    assert "canary-of-the-form" not in text and "X-Auth" in text


def test_a_body_can_be_written_as_json(owner, ada):
    body = '{"email": "jo@example.com", "role": "viewer"}'
    assert owner.send("/v1/invitations", {"_json": body}).status_code == 201
    again = owner.send("/v1/invitations", {"_json": '{"email": '})
    assert again.status_code == 400 and "not acceptable JSON" in page(again) and "{&quot;email&quot;: " in page(again)
    assert owner.send("/v1/invitations", {"_json": "[]"}).status_code == 400


# The method


def test_a_form_names_its_method_and_the_log_has_it(owner, acme, ada, vera):
    path = f"/v1/users/{vera.public_id}"
    answer = owner.send(path, {"name": "Vera Two", "_before": "{}"}, "PATCH")
    assert answer.status_code == 200 and "PATCH /v1/users/" in page(answer)
    assert owner.send(path, {"name": "Vera Three"}, "PUT").status_code == 200
    gone = owner.send(path, {}, "DELETE")
    assert gone.status_code == 200 and "204 No Content" in page(gone)
    assert not Membership.objects.filter(user=vera).exists()
    assert owner.client.delete(path, headers=HTML).status_code == 404


def test_the_log_names_the_real_method(owner, vera, monkeypatch):
    found = []
    original = door.resolve_hook

    def watched(path: str) -> Any:
        if path != "apps.audit.calls.recording.record_call":
            return original(path)
        return lambda **call: found.append((call["request"].method, call["route"], call["status"]))

    monkeypatch.setattr(door, "resolve_hook", watched)
    owner.send(f"/v1/users/{vera.public_id}", {}, "DELETE")
    assert found == [("DELETE", "/v1/users/{id}", 204)]


def test_it_takes_the_permission_of_the_real_method(developer, viewer, endpoint, acme_key):
    path = f"/v1/webhook-endpoints/{endpoint.public_id}"
    assert viewer.send(path, {"description": "x"}, "PATCH").status_code == 403
    assert viewer.send(path, {}, "DELETE").status_code == 403
    assert developer.send(f"/v1/api-keys/{acme_key.row.public_id}", {"name": "x"}, "PATCH").status_code == 403
    assert developer.send("/v1/webhook-endpoints", {}, "DELETE").status_code == 405
    assert developer.send(path, {"description": "x"}, "PATCH").status_code == 200


@pytest.mark.parametrize("method", ["GET", "HEAD", "TRACE", "delete", "OPTIONS", "POST"])
def test_a_form_names_no_other_method(owner, endpoint, method):
    answer = owner.send(f"/v1/webhook-endpoints/{endpoint.public_id}", {}, method)
    assert answer.status_code == 405 and Endpoint.objects.existing().filter(pk=endpoint.pk).exists()


def test_neither_keys_nor_json_nor_headers_name_a_method(owner, endpoint, admin_key, api):
    path = f"/v1/webhook-endpoints/{endpoint.public_id}"
    fields = urlencode({"_method": "DELETE"})
    for headers in (admin_key.headers, {**admin_key.headers, **HTML}):
        assert Client().post(path, fields, FORM, headers=headers).status_code == 405
        assert owner.client.post(path, fields, FORM, headers=headers).status_code == 405
    assert owner.client.post(path, {"_method": "DELETE"}, "application/json", headers=HTML).status_code == 405
    assert owner.client.post(path, {"_method": "DELETE"}, headers=HTML).status_code == 405  # multipart
    assert owner.send(path, {}, **{"X-HTTP-Method-Override": "DELETE"}).status_code == 405
    assert owner.client.get(f"{path}?_method=DELETE", headers=HTML).status_code == 400
    assert Endpoint.objects.existing().filter(pk=endpoint.pk).exists()
    made = api(admin_key).post("/v1/invitations", {"email": "jo@example.com", "role": "viewer", "_method": "DELETE"})
    assert made.status_code == 400 and list(made.json()["fields"]) == ["_method"]


# Who


def test_nothing_is_done_without_the_forms_token_nor_filled_in_again(browser_of, ada, endpoint):
    browser = browser_of(ada)
    browser.handler.enforce_csrf_checks = True
    person = Person(browser)
    path = f"/v1/webhook-endpoints/{endpoint.public_id}"
    for method in ("PATCH", "DELETE"):
        answer = person.send(path, {"description": "canary-of-another-site"}, method)
        assert answer.status_code == 403 and "CSRF" in page(answer)
        assert "canary-of-another-site" not in page(answer)
    answer = person.send("/v1/invitations", {"email": "canary-of-another-site", "role": "viewer"})
    assert answer.status_code == 403 and "canary-of-another-site" not in page(answer)
    assert Endpoint.objects.existing().get(pk=endpoint.pk).description == ""
    text = page(person.get(path))
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', text)
    assert token
    fields = {"csrfmiddlewaretoken": token[1], "email": "jo@example.com", "role": "viewer"}
    assert browser.post("/v1/invitations", fields, headers=HTML).status_code == 415  # multipart
    by_header = {**HTML, "X-CSRFToken": token[1]}
    assert browser.post(f"{path}/pause", "", FORM, headers=by_header).status_code == 200
    done = person.send(path, {"description": "Desk", "csrfmiddlewaretoken": token[1]}, "PATCH")
    assert done.status_code == 200 and Endpoint.objects.get(pk=endpoint.pk).description == "Desk"


def test_a_form_that_the_role_may_not_send_says_who_can(viewer, ada, ann):
    text = page(viewer.get("/v1/api-keys"))
    assert (
        "Lowest role that may: Admin" in " ".join(text.split())
        and "Ada, Ann" in text
        and 'action="/v1/api-keys"' not in text
    )
    assert "it takes a key" in text  # verify


@pytest.mark.parametrize("path", ["/v1/events", "/v1/api-keys/verify", "/v1/sdk/activations"])
def test_what_keys_alone_may_sends_an_owner_to_nobody(owner, path):
    refused = owner.send(path, {})
    text = page(refused)
    assert refused.status_code == 403 and "No role of a person may do this: it takes a key." in text
    assert "Ask an owner" not in text and "kind of key" not in text


def test_a_member_of_two_says_which_and_stays_there(browser_of, ada, rival, acme, make_key):
    Membership.objects.create(organization=rival, user=ada, role=Role.VIEWER)
    theirs = make_key(rival, name="Theirs").row
    person = Person(browser_of(ada))
    answer = person.get("/v1/api-keys")
    assert answer.status_code == 400 and 'href="?organization=rival"' in page(answer)
    assert person.get("/v1/").status_code == 400
    text = page(person.get("/v1/api-keys?organization=rival"))
    assert f'<a href="/v1/api-keys/{theirs.public_id}?organization=rival">' in text and "Lowest role that may:" in text
    assert 'href="/v1/users?organization=acme"' in page(person.get("/v1/?organization=acme"))
    ours = page(person.get("/v1/api-keys?organization=acme"))
    assert 'action="/v1/api-keys?organization=acme"' in ours
    assert person.send("/v1/api-keys?organization=acme", KEY).status_code == 201
    assert person.send("/v1/api-keys?organization=rival", KEY).status_code == 403


def test_a_stranger_finds_nothing(browser_of, zed, acme, endpoint):
    person = Person(browser_of(zed))
    for path in ("/v1/?organization=acme", "/v1/users?organization=acme",
                 f"/v1/webhook-endpoints/{endpoint.public_id}", "/v1/users?organization=nobody"):  # fmt: skip
        answer = person.get(path)
        assert answer.status_code == 404 and "Acme Travel" not in page(answer)
    assert person.send(f"/v1/webhook-endpoints/{endpoint.public_id}", {}, "DELETE").status_code == 404


def test_who_is_not_let_in_sees_nothing_of_the_organization(owner, acme, endpoint):
    acme.two_step_required = True
    acme.save()
    answer = owner.get("/v1/webhook-endpoints")
    assert answer.status_code == 403 and endpoint.url not in page(answer) and "Change something" not in page(answer)
    acme.two_step_required, acme.status = False, OrganizationStatus.SUSPENDED
    acme.save()
    answer = owner.get("/v1/webhook-endpoints")
    assert answer.status_code == 403 and "suspended" in page(answer) and "Change something" not in page(answer)


def test_a_key_in_a_browser_gets_json_or_at_least_no_forms(owner, acme_key):
    assert owner.client.get("/v1/users", headers={**HTML, **acme_key.headers})["Content-Type"] == "application/json"
    answer = owner.client.get("/v1/users", headers={"Accept": "text/html", **acme_key.headers})
    assert answer.status_code == 200 and 'method="post"' not in page(answer).split('id="main"', 1)[1]


# Confirmation


def test_creating_or_revoking_a_secret_asks_to_confirm_the_password(browser_of, ada, endpoint, acme_key):
    person = Person(browser_of(ada, confirmed=False))
    assert "/account/reauthenticate/" in page(person.get("/v1/api-keys"))
    answer = person.send("/v1/api-keys", {**KEY, "name": "Typed before"})
    text = page(answer)
    assert answer.status_code == 403 and "reauthentication_required" in text and "/account/reauthenticate/" in text
    assert value_of(text, "name", "createApiKey") == "Typed before"
    assert not ApiKey.objects.filter(name="Typed before").exists()
    assert person.send(f"/v1/webhook-endpoints/{endpoint.public_id}", {}, "DELETE").status_code == 403
    assert person.send(f"/v1/webhook-endpoints/{endpoint.public_id}", {"description": "x"}, "PATCH").status_code == 200
    person.client.post("/account/reauthenticate/", {"password": PASSWORD, "confirm_password": PASSWORD})
    assert person.send("/v1/api-keys", {**KEY, "name": "Typed before"}).status_code == 201


def test_json_from_a_session_asks_for_confirmation_and_a_key_never_does(browser_of, ada, api, admin_key):
    browser = browser_of(ada, confirmed=False)
    body = {"name": "Made", "type": "partner", "scopes": ["users:read"]}
    answer = browser.post("/v1/api-keys", body, "application/json", headers=HTML)
    assert answer.status_code == 403 and "reauthentication_required" in page(answer)
    assert api(admin_key).post("/v1/api-keys", body).status_code == 201

"""Each path of the API, in a browser, by each method: a page, never a fault, and what a program would be answered."""

from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import urlencode

import pytest
from django.db import transaction
from django.test import Client

from apps.base.rest.browsable.controls import controls_of
from apps.base.rest.browsable.paths import every_path
from apps.base.rest.fields import StrictString
from apps.base.rest.renderers import ONE_TIME_SECRETS
from apps.orgs.models import User
from tests.base.test_pages_security import check_policy
from tests.conventions.conftest import NO_PATH, OPEN, Samples
from tests.conventions.routes import routes_for

pytestmark = pytest.mark.django_db

HTML = {"Accept": "text/html"}
FORM = "application/x-www-form-urlencoded"
METHODS = ("POST", "PUT", "PATCH", "DELETE")
ROUTES = [route for route in routes_for("api", "sdk") if route.name not in (*NO_PATH, *OPEN)]
# What a form may hold besides: nothing of it is more than a text.
ODD = {"name": "\u202e</script>", "limits": "[", "scopes": ",", "_before": "[1]", "_idempotency_key": "x y", "id": "1"}


def undone(send: Callable[[], Any]) -> Any:
    """Return an answer without its effect."""
    with transaction.atomic():
        answer = send()
        transaction.set_rollback(True)
    return answer


def send(browser: Client, path: str, method: str, **fields: str) -> Any:
    named = {} if method == "POST" else {"_method": method}
    return browser.post(path, urlencode({**fields, **named}), FORM, headers=HTML)


def page(browser: Client, path: str) -> str:
    return " ".join(browser.get(path, headers=HTML).content.decode().split())


@pytest.fixture
def owner(browser_of: Callable[..., Client], ada: User) -> Client:
    return browser_of(ada)


def test_every_path_is_a_page_to_each_role(samples: Samples, browser_of, ada, vera):
    for user in (ada, vera):
        browser = browser_of(user)
        for route in ROUTES:
            if route.name in (
                "api-audit-log-export",
                "api-descendants",
            ):  # both need a parameter
                continue
            answer = browser.get(route.at(**samples.real(route)), headers=HTML)
            assert answer.status_code in (200, 403, 405), (route.name, answer.status_code)
            assert answer["Content-Type"].startswith("text/html"), route.name
            check_policy(answer)
            text = answer.content.decode()
            assert " style=" not in text and " onclick=" not in text, route.name
            assert answer.status_code != 405 or "GET" not in route.methods, route.name


def test_a_form_gets_what_a_program_gets(samples: Samples, owner: Client):
    """The same person, by a form that names its method and by the method itself with JSON: one status."""
    for route in ROUTES:
        path = route.at(**samples.real(route))
        methods = [method for method in METHODS if method in route.methods] or ["POST"]
        for method in methods:
            form = undone(partial(send, owner, path, method))
            direct = undone(partial(owner.generic, method, path, b"{}", "application/json", headers=HTML))
            shown = 204 if b"204 No Content" in form.content else form.status_code
            assert shown == direct.status_code, (route.name, method)
        odd = undone(partial(send, owner, path, methods[-1], **ODD))
        assert odd.status_code < 500 and "</script>" not in odd.content.decode().split("<main", 1)[1], route.name


def texts_of(serializer):
    """Return the names of the fields that are texts: the key of a check is an object, and no secret."""
    return {name for name, field in serializer._declared_fields.items() if isinstance(field, StrictString)}


def test_whatever_shows_a_secret_asks_a_session_who_is_there():
    """As the pages do (``tests/conventions/test_step_up.py``), by what the operations say of their answers."""
    showing = {
        operation.id
        for path in every_path()
        for operation in path.view.operations.values()
        for answer in operation.responses.values()
        if answer.serializer and not ONE_TIME_SECRETS.isdisjoint(texts_of(answer.serializer))
        and "user" in path.view.callers
    }  # fmt: skip
    asking = {each.id for path in every_path() for each in path.view.operations.values() if each.step_up}
    assert {"createApiKey", "rotateSdkKey", "rotateWebhookSecret"} <= showing <= asking
    ending = {"revokeApiKey", "revokeSdkKey", "deleteWebhookEndpoint", "deleteUser", "createInvitation", "updateUser"}
    assert ending <= asking and not {"pauseWebhookEndpoint", "retryDelivery", "deactivateActivation"} & asking


def test_every_control_of_a_write_says_what_its_field_means():
    bodies = [each.body for path in every_path() for each in path.view.operations.values() if each.body]
    described = {
        (body.__name__, control.name): control.description
        for body in bodies
        for control in controls_of(body(), {}, {}, "f")
    }
    named = {(body.__name__, name) for body in bodies if body.has_fields() for name in body.schema()["properties"]}
    assert named == set(described)
    assert [field for field, text in described.items() if not text.endswith(".")] == []


def test_a_control_shows_the_text_and_the_limits_of_its_field(owner: Client):
    keys = page(owner, "/v1/api-keys")
    name = '<span lang="en">The name that people know the key by.</span> At most 100 characters.</div>'
    assert (
        f'aria-describedby="f-createApiKey-name_hint"> <div class="hint" id="f-createApiKey-name_hint">{name}' in keys
    )
    assert "After how many days it expires.</span> A whole number from 1 to 3650." in keys
    assert "The password that the user signs in with. Its length is the only rule.</span> 8 to 128 characters." in page(
        owner, "/v1/users"
    )
    endpoints = page(owner, "/v1/webhook-endpoints")
    assert "such as <code>order.*</code>, or <code>*</code> for all." in endpoints
    assert "</span> One on each line, at most 200.</div>" in endpoints

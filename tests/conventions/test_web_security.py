"""What holds for every route that a browser may ask, with every method: no form without its token, no file, no header
of the caller's making, no other host, no method that nobody meant.

The headers of the answers themselves are looked at in ``tests/base/test_pages_security.py``.
"""

import tempfile
from collections.abc import Iterator
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from apps.base.web.middleware import METHODS
from apps.orgs.models import User
from tests.base.test_pages_security import check_policy
from tests.conventions.conftest import Samples
from tests.conventions.routes import Route, routes_for

pytestmark = pytest.mark.django_db

BROWSED = routes_for("page", "account", "admin", "other")
# Django's own catalogue of JavaScript words; it is no page and takes nothing.
ODD = ("TRACE", "CONNECT", "PROPFIND", "FOO")
REFUSED = (302, 400, 403, 404, 405)


@pytest.fixture
def everybody(samples: Samples, ada: User, operator: User, browser_of: Any) -> dict[str, Client]:
    """Nobody, an owner, and an operator with a second step: between them they may open every page."""
    Authenticator.objects.filter(user=ada).delete()  # the sample has no real credential: nobody can confirm by it
    Authenticator.objects.create(user=operator, type=Authenticator.Type.TOTP, data={"secret": "JBSWY3DPEHPK3PXP"})
    clients = {"nobody": Client(), "owner": browser_of(ada), "operator": browser_of(operator)}
    for client in clients.values():
        client.handler.enforce_csrf_checks = True
        client.raise_request_exception = False
    return clients


def paths(samples: Samples) -> Iterator[tuple[Route, str]]:
    others = {"object_id": samples.rows["key"].pk, "content_type_id": 1, "app_label": "orgs", "url": "nowhere",
              "key": "x", "uidb36": "1", "pk": 1, "token": "x" * 43, "file": "receiver.py",
              "operation_id": "getMe"}  # fmt: skip
    for route in BROWSED:
        values = {"slug": "acme", **samples.real(route)} if route.interface == "page" else others
        yield route, route.at(**values)


def test_no_form_is_taken_without_its_token(everybody, samples):
    bodies = (
        (b"a=b", "application/x-www-form-urlencoded"),
        (b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n--x--\r\n', "multipart/form-data; boundary=x"),
        (b"{}", "text/plain"),
    )
    for number, (route, path) in enumerate(paths(samples)):
        body, content_type = bodies[number % len(bodies)]
        for who, client in everybody.items():
            if who == "owner" or route.interface in ("account", "admin"):
                answer = client.generic("POST", path, body, content_type=content_type)
                assert answer.status_code == 403, (who, route.name, answer.status_code)
        check_policy(answer)


def test_no_file_is_taken(everybody, samples, monkeypatch):
    def fail(*_arguments: Any, **_options: Any) -> None:
        raise AssertionError("a file was written")

    monkeypatch.setattr(tempfile, "NamedTemporaryFile", fail)
    everybody["owner"].cookies["csrf"] = "a" * 32
    for route, path in paths(samples):
        file = SimpleUploadedFile("a.svg", b"x" * 300_000, "image/svg+xml")
        answer = everybody["owner"].post(path, {"name": "a", "file": file})
        assert answer.status_code == 400, (route.name, answer.status_code)


def test_no_method_is_taken_that_nobody_meant(everybody, samples):
    for number, (route, path) in enumerate(paths(samples)):
        method = ODD[number % len(ODD)]
        answer = everybody["owner"].generic(method, path, headers={"X-Canary": "canary-of-the-head"})
        assert answer.status_code == 405 and "Allow" in answer, (route.name, method, answer.status_code)
        assert b"canary-of-the-head" not in answer.content


def test_other_methods_change_nothing_and_break_nothing(everybody, samples):
    methods = sorted(METHODS - {"GET", "HEAD", "POST", "OPTIONS"})
    for number, (route, path) in enumerate(paths(samples)):
        method = methods[number % len(methods)]
        answer = everybody["owner"].generic(method, path, b"{}", content_type="application/json")
        assert answer.status_code in REFUSED, (route.name, method, answer.status_code)


def test_no_header_is_of_the_callers_making(everybody, samples):
    evil = "a%0d%0aSet-Cookie:%20canary=1%0d%0a%0d%0a%3Cscript%3E"
    query = "&".join(f"{name}={evil}" for name in ("next", "q", "status", "type", "tab", "cursor", "page", "language"))
    for who, client in everybody.items():
        for route, path in paths(samples):
            if (who == "operator") != (route.interface == "admin"):
                continue
            answer = client.get(f"{path}?{query}")
            assert answer.status_code < 500 and "canary" not in client.cookies, (who, route.name, answer.status_code)
            assert not [name for name, value in answer.items() if "\n" in value or "\r" in value], route.name


def test_no_other_host_is_answered(everybody, samples):
    for route, path in paths(samples):
        answer = everybody["owner"].get(path, headers={"Host": "evil.example"})
        assert answer.status_code == 400 and b"evil.example" not in answer.content, route.name


def test_the_walk_reaches_pages_that_answer(everybody, samples):
    """A walk that is refused everywhere would prove nothing."""
    opened = {"owner": 0, "operator": 0}
    for route, path in paths(samples):
        who = "operator" if route.interface == "admin" else "owner"
        opened[who] += "GET" in route.methods and everybody[who].get(path).status_code == 200
    assert opened["owner"] > 25 and opened["operator"] > 30

"""While the operator's file is there, everybody is told to come back: without a session, a key or a database."""

import os
from typing import Any

import pytest
from django.test import Client

from tests.base.test_pages_security import check_policy

HERE = "/o/acme/settings/integration/"


@pytest.fixture
def flag(tmp_path: Any, settings: Any) -> Any:
    """The file, which is not there yet."""
    settings.MAINTENANCE_FLAG = str(tmp_path / "maintenance")
    return tmp_path / "maintenance"


@pytest.mark.parametrize("path", [HERE, "/", "/account/login/", "/admin/", "/docs/", "/nowhere", "/invitation/"])
@pytest.mark.parametrize("method", ["get", "post"])
def test_every_page_is_answered_with_503_and_asks_no_database(flag, path, method, caplog):
    flag.touch()
    answer = getattr(Client(), method)(path, headers={"Accept": "text/html", "Accept-Language": "en"})
    assert (answer.status_code, answer["Retry-After"], answer["Cache-Control"]) == (503, "60", "no-store, private")
    assert "We are working on the portal" in answer.content.decode() and not answer.cookies
    check_policy(answer)
    assert caplog.records == []


@pytest.mark.parametrize("accept", ["application/json", "*/*", "text/html"])
@pytest.mark.parametrize("path", ["/v1/me", "/v1/events", "/v1/sdk/activations", "/v1/nowhere", "/v1"])
def test_every_call_is_answered_as_unavailable(flag, path, accept):
    flag.write_text("600\n")
    answer = Client().post(path, b"{", content_type="application/json", headers={"Accept": accept, "X-API-Key": "x"})
    body = answer.json()
    assert (answer.status_code, answer["Retry-After"], body["code"]) == (503, "600", "unavailable")
    assert body["request_id"] == answer["X-Request-ID"] and body["docs"].endswith("#unavailable")
    assert answer["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    ("text", "wait"), [("", "60"), ("x", "60"), ("-5", "60"), ("0", "1"), ("9" * 9, "86400"), ("\xb2", "60")]
)
def test_the_file_may_say_how_long(flag, text, wait):
    flag.write_bytes(text.encode("latin-1"))
    assert Client().get("/account/login/")["Retry-After"] == wait


def test_a_named_pipe_does_not_block_requests(flag):
    os.mkfifo(flag)
    assert Client().get("/account/login/")["Retry-After"] == "60"


@pytest.mark.django_db
def test_what_the_operators_programs_ask_is_answered(flag, settings):
    flag.touch()
    settings.METRICS_TOKEN = "m" * 40
    assert Client().get("/healthz").json() == {"status": "ok"}
    assert Client().get("/readyz").status_code == 200
    assert Client().get("/metrics", headers={"Authorization": f"Bearer {settings.METRICS_TOKEN}"}).status_code == 200


def test_it_is_over_when_the_file_is_gone_and_never_was_without_a_name(
    db, flag, settings, api, acme_key, browser_of, ada
):
    browser = browser_of(ada)
    for is_there in (True, False):
        flag.touch() if is_there else flag.unlink()
        status = 503 if is_there else 200
        assert browser.get(HERE).status_code == api(acme_key).get("/v1/me").status_code == status
    flag.touch()
    settings.MAINTENANCE_FLAG = ""
    assert browser.get(HERE).status_code == 200

"""The line of a request: whose it was, whoever it was, and nothing that the caller made up."""

import io
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client

from apps.api_keys import actions as key_actions
from apps.base.actor import system
from apps.base.telemetry.logging import JsonStreamHandler
from apps.orgs.models import Organization, User
from tests.conftest import Key

pytestmark = pytest.mark.django_db


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """The lines of the requests so far, without counts of errors that an earlier test of the minute repeated."""
    written, logger = io.StringIO(), logging.getLogger("portal.access")
    handlers = [each for each in logging.root.handlers if isinstance(each, JsonStreamHandler)]
    assert len(handlers) == 1
    monkeypatch.setattr(handlers[0], "stream", written)
    logger.setLevel(logging.INFO)
    yield lambda: [line for line in map(json.loads, written.getvalue().splitlines()) if "suppressed" not in line]
    logger.setLevel(logging.NOTSET)


def who(line: dict[str, Any]) -> tuple[Any, ...]:
    return line["route"], line["status"], line.get("key"), line.get("user"), line.get("organization")


def test_a_key_is_named_by_its_id_also_where_it_is_refused(
    lines: Any, acme: Organization, acme_key: Key, django_capture_on_commit_callbacks: Any
):
    client = Client(headers=acme_key.headers)
    client.get("/v1/me")
    with django_capture_on_commit_callbacks(execute=True):
        key_actions.revoke_key(actor=system(acme.pk), key_id=acme_key.row.public_id)
    client.get("/v1/me")
    client.get("/v1/me", headers={"Authorization": f"Bearer {acme_key.text}x"})
    ids = (acme_key.row.public_id, None, acme.public_id)
    assert [who(line) for line in lines()] == [
        ("/v1/me", 200, *ids), ("/v1/me", 401, *ids), ("/v1/me", 401, None, None, None),
    ]  # fmt: skip
    assert acme_key.text not in json.dumps(lines())


def test_a_person_is_named_on_pages_and_in_the_browsable_api(
    lines: Any, acme: Organization, ada: User, browser_of: Callable[[User], Client]
):
    client = browser_of(ada)
    client.get("/o/acme/settings/integration/?secret=of-a-query")
    client.get("/account/preferences/")
    client.get("/v1/me", headers={"Accept": "text/html"})
    client.get("/docs/errors")
    found = {line["route"]: (line.get("user"), line.get("organization")) for line in lines()}
    assert found["/o/{slug}/settings/integration/"] == (ada.public_id, acme.public_id)
    assert found["/account/preferences/"] == (ada.public_id, None)
    assert found["/v1/me"] == (ada.public_id, acme.public_id)
    assert "of-a-query" not in json.dumps(lines())


def test_a_stranger_is_named_by_address_alone_and_makes_up_nothing(lines: Any):
    Client().generic("SECRETWORD", "/secret/path?secret=query", headers={"X-Request-ID": "secret\nid"})
    (line,) = lines()
    assert (line["method"], line["route"], line["client_address"]) == ("OTHER", "unmatched", "127.0.0.1")
    assert "secret" not in json.dumps(line).lower()


def test_probes_leave_no_line_at_info(lines: Any):
    for path in ("/healthz", "/readyz", "/metrics"):
        Client().get(path, headers={"Authorization": "Bearer metrics-token-of-the-tests"})
    assert lines() == []

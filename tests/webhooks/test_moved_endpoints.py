"""A new server does not receive stored header values, and no record contains the values of a URL's query."""

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from apps.audit.models import AuditEntry
from apps.base.text.redaction import hide_query_values, redact
from apps.orgs.models import Organization
from apps.webhooks.engine import claims
from apps.webhooks.models import Delivery, Endpoint
from tests.engines import LOOPBACK, engine, make_endpoint, publish
from tests.receivers import Receiver
from tests.receivers import status as status_of

CANARY = "s3cret-canary"
TOKEN = "t0ken-canary"
STORED = {"Authorization": CANARY, "X-Team": "blue"}
HOOK = "https://hooks.example.com/in"


@pytest.fixture
def ours(api: Any, admin_key: Any) -> Any:
    return api(admin_key)


@pytest.fixture
def elsewhere() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


def path_of(endpoint: Endpoint) -> str:
    return f"/v1/webhook-endpoints/{endpoint.public_id}"


@pytest.mark.parametrize(
    ("url", "is_elsewhere"),
    [
        ("https://hooks.example.com/other?x=1", False),
        ("https://HOOKS.example.com:443/in", False),
        ("https://hooks.example.com:8443/in", True),
        ("https://hooks2.example.com/in", True),
        ("https://hooks.example.com.evil.example/in", True),
        ("https://evil.example/hooks.example.com/in", True),
        ("https://hooks.example.comm/in", True),
        ("https://sub.hooks.example.com/in", True),
        ("https://198.51.101.7/in", True),
    ],
)
def test_stored_header_values_stay_with_their_server(
    ours: Any, acme: Organization, url: str, is_elsewhere: bool
) -> None:
    endpoint = make_endpoint(acme, headers=STORED)
    for body in ({"url": url}, {"url": url, "headers": dict.fromkeys(STORED, "••••")}):
        answer = ours.patch(path_of(endpoint), body)
        row = Endpoint.objects.get(pk=endpoint.pk)
        if not is_elsewhere:
            assert answer.status_code == 200 and row.custom_headers == STORED
            continue
        assert answer.status_code == 400 and list(answer.json()["fields"]) == ["headers"], answer.content
        assert (row.url, row.custom_headers, row.updated_at) == (endpoint.url, STORED, endpoint.updated_at)
    assert not is_elsewhere or ours.patch(path_of(endpoint), {"url": url, "headers": {}}).json()["headers"] == {}


@pytest.mark.parametrize("secret", ["ipk_" + "k" * 50, "whsec_" + "s" * 32])
def test_neither_a_url_nor_the_name_of_a_header_holds_a_secret(ours: Any, acme: Organization, secret: str) -> None:
    endpoint = make_endpoint(acme)
    for field, value in (
        ("url", f"https://one.example/{secret}"),
        ("url", f"https://one.example/in?key={secret}"),
        ("headers", {secret: "x"}),
    ):
        for answer in (
            ours.patch(path_of(endpoint), {field: value}),
            ours.post("/v1/webhook-endpoints", {"url": HOOK, "event_types": ["order.*"], field: value}),
        ):
            assert answer.status_code == 400 and list(answer.json()["fields"]) == [field], answer.content
            assert secret not in answer.content.decode()


def test_an_endpoint_without_headers_moves_as_before_and_new_values_go_with_it(ours: Any, acme: Organization) -> None:
    endpoint = make_endpoint(acme)
    assert ours.patch(path_of(endpoint), {"url": "https://one.example/in"}).status_code == 200
    moved = ours.patch(path_of(endpoint), {"url": "https://two.example/in", "headers": {"X-Team": "red"}})
    assert moved.status_code == 200 and Endpoint.objects.get().custom_headers == {"X-Team": "red"}
    mixed = ours.patch(path_of(endpoint), {"url": "https://one.example/in", "headers": {"X-Team": "••••", "X-A": "1"}})
    assert mixed.status_code == 400 and Endpoint.objects.get().url == "https://two.example/in"


def test_headers_of_a_lost_key_do_not_move_and_come_back_there(ours: Any, acme: Organization, settings: Any) -> None:
    endpoint = make_endpoint(acme, headers=STORED)
    settings.ENCRYPTION_KEYS = {"other": b"o" * 32}
    assert ours.patch(path_of(endpoint), {"url": "https://new.example/in"}).status_code == 400
    assert ours.patch(path_of(endpoint), {"url": "https://new.example/in", "headers": {}}).status_code == 200
    assert Endpoint.objects.get().custom_headers == {}


@pytest.mark.django_db(transaction=True)
def test_the_new_server_sees_no_old_value_whatever_was_under_way(
    ours: Any, acme: Organization, settings: Any, receiver: Receiver, elsewhere: Receiver
) -> None:
    settings.WEBHOOK_ALLOW_CIDRS = LOOPBACK
    receiver.behaviour = status_of(503)
    endpoint = make_endpoint(acme, receiver.url, headers=STORED)
    for number in range(3):
        publish(acme, client_id=f"e{number}")
    engine().run_until_idle()
    assert len(receiver.requests) == 3 and receiver.requests[0].headers["authorization"] == CANARY
    first, second, third = Delivery.objects.order_by("pk")
    Delivery.objects.filter(pk=first.pk).update(status="exhausted", next_attempt_at=None)
    claims.send_now(second.pk)
    (claimed,) = claims.claim(1)
    assert ours.patch(path_of(endpoint), {"url": elsewhere.url}).status_code == 400
    moved = ours.patch(path_of(endpoint), {"url": elsewhere.url, "headers": {"X-New": "1"}})
    assert moved.status_code == 200
    # Claimed deliveries still go to the old server; the rest go to the new one.
    assert claimed.endpoint.url == receiver.url
    ours.post(f"/v1/deliveries/{third.public_id}/retry")
    ours.post(f"/v1/deliveries/{first.public_id}/retry")
    ours.post(f"{path_of(endpoint)}/test")
    ours.post(f"{path_of(endpoint)}/replay", {"status": ["exhausted"]})
    publish(acme, client_id="new")
    engine().run_until_idle()
    arrived = b"".join(each.head + each.body for each in elsewhere.requests)
    assert len(elsewhere.requests) >= 4 and CANARY.encode() not in arrived and b"x-team" not in arrived.lower()
    assert [each for each in elsewhere.requests if each.headers["x-new"] != "1"] == []


@pytest.mark.django_db(transaction=True)
def test_values_of_a_query_are_for_the_server_and_for_who_edits_alone(
    ours: Any, acme: Organization, settings: Any, receiver: Receiver, browser_of: Any, ada: Any, caplog: Any
) -> None:
    settings.WEBHOOK_ALLOW_CIDRS = LOOPBACK
    caplog.set_level(logging.DEBUG)
    url = f"{receiver.url}?token={TOKEN}&plain"
    made = ours.post("/v1/webhook-endpoints", {"url": url, "event_types": ["*"]})
    endpoint = Endpoint.objects.get()
    assert made.json()["url"] == url == ours.get(path_of(endpoint)).json()["url"]
    assert ours.patch(path_of(endpoint), {"url": f"{url}2&b={TOKEN}"}).status_code == 200
    delivery = ours.post(f"{path_of(endpoint)}/test").json()
    publish(acme)
    engine().run_until_idle()
    assert TOKEN.encode() in receiver.requests[0].head
    # Retried, resent and disabled by 410: each creates audit entries, notifications and events.
    ours.post(f"/v1/deliveries/{Delivery.objects.get(test=False).public_id}/retry")
    ours.post(f"{path_of(endpoint)}/replay", {"status": ["succeeded"]})
    receiver.behaviour = status_of(410)
    publish(acme)
    engine().run_until_idle()
    ours.post(f"{path_of(endpoint)}/enable")
    ada_sees = browser_of(ada)
    here = f"/o/acme/settings/integration/webhooks/{endpoint.public_id}/"
    seen = [
        ours.get(f"/v1/deliveries/{delivery['id']}"), ours.get("/v1/deliveries"), ours.get("/v1/replays"),
        ours.get("/v1/events"), ours.get("/v1/audit-log?limit=200"),
        ada_sees.get("/o/acme/settings/integration/"), ada_sees.get(here),
        ada_sees.get(f"{here}?tab=settings"), ada_sees.get(f"{here}?tab=verify"), ada_sees.get(f"{here}delete/"),
        ada_sees.get(f"/o/acme/settings/integration/deliveries/{delivery['id']}/?tab=request"),
        ada_sees.get("/o/acme/settings/integration/audit/"), ada_sees.get("/o/acme/settings/integration/webhooks/"),
        ada_sees.get("/o/acme/settings/integration/events/"),
    ]  # fmt: skip
    assert {each.status_code for each in seen} == {200}, [each.status_code for each in seen]
    exports = [b"".join(ours.get(f"/v1/audit-log/export?format={each}").streaming_content) for each in ("csv", "jsonl")]
    events = [ours.get(f"/v1/events/{each['id']}").content for each in ours.get("/v1/events").json()]
    texts = [*(each.content for each in seen), *exports, *events]
    assert not [text for text in texts if TOKEN.encode() in text]
    assert b"?token=\xe2\x80\xa2" in exports[1]
    assert TOKEN not in json.dumps(list(AuditEntry.objects.values_list("changes", "target_label")))
    assert TOKEN not in redact(caplog.text) and TOKEN in ada_sees.get(f"{here}edit/").content.decode()


@pytest.mark.pure
@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://h.example/p", "https://h.example/p"),
        ("https://h.example/p?token=abc", "https://h.example/p?token=••••"),
        ("https://h.example/p?abc", "https://h.example/p?••••"),
        ("https://h.example/?a=1&b=2;c=3&d", "https://h.example/?a=••••&b=••••;c=••••&••••"),
        ("https://h.example/?a=b=c?d=e&f=", "https://h.example/?a=••••&f="),
        ("https://h.example/?=v", "https://h.example/?=••••"),
        ("inbox:test", "inbox:test"),
    ],
)
def test_a_query_keeps_its_names_and_loses_its_values(url: str, shown: str) -> None:
    assert hide_query_values(url) == shown == hide_query_values(shown)
    assert redact(f'to "{url}" at last') == f'to "{shown}" at last'

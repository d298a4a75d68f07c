"""The URL of an attempt is immutable: after an edit of the endpoint, records, exports and curl show the old one."""

import csv
import io
import json
from typing import Any

import pytest

from apps.orgs.models import Organization
from apps.webhooks import audit_digests
from apps.webhooks.engine import claims
from apps.webhooks.models import Attempt, Delivery, Endpoint
from tests.engines import LOOPBACK, add_deliveries, engine, make_endpoint, publish
from tests.receivers import Receiver

EXPORT = "/v1/audit-log/export?category=delivery&format="


@pytest.fixture
def ours(api: Any, admin_key: Any) -> Any:
    return api(admin_key)


def digested(organization: Organization) -> list[list[Any]]:
    keys = Attempt.objects.order_by("pk").values_list("pk", flat=True)
    rows = audit_digests.attempts(organization.pk, keys[0], type(keys[0])(int=(1 << 128) - 1), 100)
    return [json.loads(text) for _key, text in rows]


@pytest.mark.django_db(transaction=True)
def test_history_shows_the_url_that_was_requested(
    ours: Any, acme: Organization, settings: Any, receiver: Receiver, browser_of: Any, ada: Any
) -> None:
    settings.WEBHOOK_ALLOW_CIDRS = LOOPBACK
    endpoint = make_endpoint(acme, f"{receiver.url}?key=s3cret")
    publish(acme)
    engine().run_until_idle()
    old, new = f"{receiver.url}?key=••••", "https://elsewhere.example/in"
    path = f"/v1/webhook-endpoints/{endpoint.public_id}"
    assert ours.patch(path, {"url": new}).status_code == 200
    delivery = ours.get("/v1/deliveries").json()[0]
    assert delivery["endpoint"]["url"] == new
    (attempt,) = ours.get(f"/v1/deliveries/{delivery['id']}").json()["attempts"]
    assert attempt["url"] == old
    (row,) = ours.get("/v1/audit-log?category=delivery").json()
    assert row["http"]["url"] == row["http"]["route"] == row["target"]["label"] == old and old in row["sentence"]
    texts = [b"".join(ours.get(EXPORT + each).streaming_content).decode() for each in ("csv", "jsonl")]
    (cells,) = csv.DictReader(io.StringIO(texts[0].removeprefix("\ufeff")))
    assert cells["url"] == old and json.loads(texts[1].splitlines()[-1])["http"]["url"] == old
    assert "elsewhere" not in texts[0] + texts[1] and "s3cret" not in texts[0] + texts[1]
    page = browser_of(ada).get(f"/o/acme/settings/integration/deliveries/{delivery['id']}/?tab=request")
    text = page.content.decode()
    assert f"{receiver.url}?key=••••" in text and "elsewhere.example" not in page.context["curl"]
    assert old in page.context["curl"] and "s3cret" not in text
    assert digested(acme)[0][-1] == old


@pytest.mark.django_db(transaction=True)
def test_what_was_not_kept_is_told_only_while_it_is_sure(
    ours: Any, acme: Organization, settings: Any, receiver: Receiver, browser_of: Any, ada: Any
) -> None:
    settings.WEBHOOK_ALLOW_CIDRS = LOOPBACK
    endpoint = make_endpoint(acme, receiver.url)
    publish(acme)
    engine().run_until_idle()
    kept = digested(acme)[0]
    Attempt.objects.update(url=None)
    # Like rows written before the URL was stored: the digests of those hours stay valid.
    assert digested(acme)[0] == kept[:-1]
    assert ours.get("/v1/audit-log?category=delivery").json()[0]["http"]["url"] == receiver.url
    ours.patch(f"/v1/webhook-endpoints/{endpoint.public_id}", {"url": "https://elsewhere.example/in"})
    Endpoint.objects.update(created_at="2020-01-01T00:00Z")
    (row,) = ours.get("/v1/audit-log?category=delivery").json()
    assert (row["http"]["url"], row["target"]["label"]) == (None, endpoint.public_id)
    delivery = Delivery.objects.get()
    page = browser_of(ada).get(f"/o/acme/settings/integration/deliveries/{delivery.public_id}/?tab=request")
    assert page.context["curl"] == ""


@pytest.mark.django_db
def test_an_attempt_of_a_lost_worker_says_no_url(acme: Organization) -> None:
    add_deliveries(make_endpoint(acme), 1)
    claims.claim(1)
    Delivery.objects.update(lease_until="2020-01-01T00:00Z")
    Endpoint.objects.update(url="https://elsewhere.example/in")
    claims.release_expired()
    assert Attempt.objects.get().url is None

"""A copy of all data: for owners, confirmed, recorded, written while it is sent, and without a secret."""

import io
import json
import zipfile

import pytest
from allauth.mfa.models import Authenticator

from apps.audit.models import AuditEntry
from apps.base.actor import system
from apps.base.extension_points.data_export_providers import iterate_in_batches
from apps.base.web import downloads
from apps.orgs.data_export import FILES
from apps.orgs.lifecycle import suspension
from apps.webhooks import actions as webhooks
from apps.webhooks import publishing
from apps.webhooks.models import Endpoint, EndpointSecret, Event
from tests.conftest import PASSWORD
from tests.engines import DATA
from tests.organizations.forms import OPERATOR, hidden, send

pytestmark = pytest.mark.django_db
HERE = "/o/acme/settings/organization/export/"


def opened(answer):
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/zip")
    archive = zipfile.ZipFile(io.BytesIO(answer.getvalue()))
    assert archive.testzip() is None
    return {
        name: [json.loads(line) for line in archive.read(name).decode().splitlines()] for name in archive.namelist()
    }


def test_the_owner_gets_everything_of_this_organization_alone(
    browser_of, ada, vera, acme, acme_key, rival, zed, rival_key, api
):
    for organization, host in ((acme, "acme"), (rival, "rival")):
        webhooks.create_endpoint(actor=system(organization.pk), url=f"https://{host}.example/in", event_types=["*"])
        publishing.publish(organization_id=organization.pk, event_type="order.created", data=DATA)
    api(acme_key).get("/v1/me")
    answer = send(browser_of(ada), HERE)
    assert answer["Cache-Control"] == "no-store, private"
    assert answer["Content-Disposition"].startswith('attachment; filename="acme-')
    files = opened(answer)
    assert list(files) == list(FILES)
    assert files["organization.jsonl"][0]["slug"] == "acme"
    assert [row["email"] for row in files["members.jsonl"]] == [ada.email, vera.email]
    assert [row["mask"] for row in files["api_keys.jsonl"]] == [acme_key.row.mask]
    assert [row["url"] for row in files["webhook_endpoints.jsonl"]] == ["https://acme.example/in"]
    assert [row["data"] for row in files["events.jsonl"] if row["type"] == "order.created"] == [DATA]
    assert {row["status"] for row in files["deliveries.jsonl"]} == {"pending"}
    assert {row["name"] for row in files["event_types.jsonl"]} == {row["type"] for row in files["events.jsonl"]}
    assert [row["route"] for row in files["usage_by_day.jsonl"]] == ["/v1/me"]
    assert files["audit_log.jsonl"][-1]["action"] == "organization.exported"
    assert "rival" not in json.dumps(files).lower()


def test_no_secret_is_in_it(browser_of, ada, vera, acme, acme_key, api):
    maker = system(acme.pk)
    _endpoint, secret = webhooks.create_endpoint(
        actor=maker, url="https://a.example/in", event_types=["*"], headers={"X-Team": "canary-of-a-header"}
    )
    Authenticator.objects.create(user=ada, type=Authenticator.Type.TOTP, data={"secret": "CANARYTOTP"})
    api(acme_key).get("/v1/me")
    text = json.dumps(opened(send(browser_of(ada), HERE)))
    row = EndpointSecret.objects.get()
    canaries = [
        acme_key.text, acme_key.text[-32:], acme_key.row.digest, secret, row.secret, "canary-of-a-header", "CANARYTOTP",
        PASSWORD, ada.password, vera.password, Endpoint.objects.get().headers,
    ]  # fmt: skip
    assert [canary for canary in canaries if canary in text] == []


def test_it_asks_who_is_there_and_is_recorded_once(browser_of, ada, acme):
    browser = browser_of(ada, confirmed=False)
    refused = send(browser, HERE)
    assert refused.status_code == 422 and not AuditEntry.objects.filter(action="organization.exported").exists()
    form = {**hidden(refused), "confirm_password": PASSWORD}
    opened(browser.post(HERE, form))
    again = browser.post(HERE, form)
    assert again.status_code == 422 and "taken already" in again.content.decode()
    assert AuditEntry.objects.filter(action="organization.exported").count() == 1
    opened(browser.post(HERE, hidden(again)))


def test_a_suspended_organization_may_still_take_its_copy(browser_of, ada, acme):
    suspension.suspend_organization(actor=OPERATOR, organization_id=acme.pk, reason="unpaid")
    opened(send(browser_of(ada), HERE))


def test_ten_an_hour_and_no_more(browser_of, ada, acme):
    browser = browser_of(ada)
    for _ in range(10):
        assert send(browser, HERE).status_code == 200
    refused = send(browser, HERE)
    assert refused.status_code == 422 and "Too many tries" in refused.content.decode()


def test_it_is_read_in_batches(acme, django_assert_max_num_queries):
    for _ in range(7):
        publishing.publish(organization_id=acme.pk, event_type="order.created", data=DATA)
    rows = Event.objects.filter(organization=acme)
    assert [len(batch) for batch in iterate_in_batches(rows, 3)] == [3, 3, 1]
    assert [len(batch) for batch in iterate_in_batches(rows, 7)] == [7]


@pytest.mark.pure
def test_the_archive_leaves_piece_by_piece():
    made, sent = 0, []

    def lines():
        nonlocal made
        for number in range(2000):
            made += 1
            yield bytes(f"{number * 7919 % 104729:x}" * 40, "ascii")

    for piece in downloads.zip_stream([("a", lines()), ("b", [b"b"])]):
        sent.append((made, piece))
    assert sent[0][0] < 2000 and max(len(piece) for _made, piece in sent) < 2 * downloads.CHUNK_BYTES
    archive = zipfile.ZipFile(io.BytesIO(b"".join(piece for _made, piece in sent)))
    assert archive.namelist() == ["a", "b"] and archive.read("b") == b"b" and archive.testzip() is None

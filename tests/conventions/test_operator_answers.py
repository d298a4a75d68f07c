"""What operators find by what a customer names, and what the page that it leads to says: state, reason, what to do."""

import logging
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.api_keys import actions as keys
from apps.api_keys.models import Package
from apps.audit.models import ApiCall, AuditEntry, RefusedCalls
from apps.base.actor import system
from apps.notices import actions as notices
from apps.orgs.lifecycle import suspension
from apps.orgs.mail import jobs
from apps.orgs.models import Invitation, Membership, OutgoingMail, User
from apps.webhooks import actions, publishing
from apps.webhooks.models import Attempt, Delivery, Endpoint, Event, FanOutBatch
from tests.conftest import Key
from tests.conventions.incidents import ADDRESS, REQUEST_ID, Incidents, stage
from tests.conventions.test_operator_pages import LONG, PAGES, bad_plans

pytestmark = pytest.mark.django_db
FIND = "/admin/find/"


@pytest.fixture
def olga(working_operator: User, browser_of: Any) -> Client:
    return browser_of(working_operator)


@pytest.fixture
def told(acme: Any, acme_key: Key) -> Incidents:
    return stage(acme, acme_key.row)


def found(olga: Client, text: str) -> str:
    """The page that a search leads to, or the list that it answers with."""
    answer = olga.post(FIND, {"text": text}, follow=True)
    assert answer.status_code == 200
    return answer.content.decode()


def address_of(row: Any) -> str:
    return f"/admin/{row._meta.app_label}/{row._meta.model_name}/{row.pk}/change/"


def read(olga: Client, row: Any) -> str:
    """The answer on the page of a row."""
    page = olga.get(address_of(row))
    assert page.status_code == 200
    return "\n".join(f"{line.text} {line.link}" for line in page.context["summary_lines"])


# Finding


def test_what_a_customer_names_leads_to_its_page(olga, told, acme, ada):
    ways = {
        told.event.public_id: told.event,
        told.delivery.public_id: told.delivery,
        told.endpoint.public_id: told.endpoint,
        str(told.endpoint.pk): told.endpoint,
        told.key.public_id: told.key,
        told.key.mask: told.key,
        told.key.mask[:8]: told.key,
        f"ipk_{told.key.key_id}": told.key,
        f"  {REQUEST_ID} ": told.call,
        acme.public_id: acme,
        ada.public_id: ada,
        Attempt.objects.latest("pk").public_id: Attempt.objects.latest("pk"),
    }
    for text, row in ways.items():
        answer = olga.post(FIND, {"text": text})
        assert (answer.status_code, answer.get("Location")) == (302, address_of(row)), text


def test_a_mask_with_other_last_letters_is_another_key(olga, told):
    assert "Nothing found" in found(olga, told.key.mask[:-4] + "0000")


def test_more_than_one_row_is_a_list_of_each_kind(olga, told, acme, ada):
    OutgoingMail.objects.create(to=ada.email, subject="Your key expires soon", body="x")
    Invitation.objects.create(
        organization=acme, email=ada.email, role="viewer", expires_at=timezone.now(), invited_by_label="Ann"
    )
    page = found(olga, "Ada@ACME.example" if User.objects.filter(email="Ada@ACME.example").exists() else ada.email)
    for kind in ("People", "Invitations", "Outgoing mail", "Your key expires soon"):
        assert kind in page
    # What a person types with another case of the domain is the same address.
    assert "Outgoing mail" in found(olga, "bea@ACME.example")


def test_the_same_request_id_twice_lists_both(olga, told, acme):
    ApiCall.objects.create(
        organization=acme, at=timezone.now(), actor_kind="user", actor_id="user_x", actor_label="Ada", method="POST",
        route="/v1/users", status=201, duration_ms=1, request_id=REQUEST_ID,
    )  # fmt: skip
    AuditEntry.objects.create(organization=acme, action="user.created", actor_label="Ada", request_id=REQUEST_ID)
    page = found(olga, REQUEST_ID)
    assert "API calls" in page and "Audit entries" in page and "user.created" in page


def test_an_address_of_the_internet_finds_refused_strangers(olga):
    now = timezone.now().replace(second=0, microsecond=0)
    RefusedCalls.objects.create(address="203.0.113.9", minute=now, code="invalid_api_key", calls=7)
    RefusedCalls.objects.create(address="2001:db8:1:2::/64", minute=now, code="missing_api_key", calls=2)
    for address in ("203.0.113.9", "2001:db8:1:2:3::4"):
        assert "invalid_api_key" in found(olga, address) or "missing_api_key" in found(olga, address)
    assert "Nothing found" in found(olga, "203.0.113.10")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("nobody@nowhere.example", "No mail to this address is kept."),
        ("5d41402abc4b2a76b9719d911017c592", "requests without a known key leave no row"),
        ("dlv_" + "z" * 22, "Nothing found"),
        ("key_" + "0" * 22, "Nothing found"),
        ("\0", "Nothing found"),
        ("%_'; --", "Nothing found"),
        ("🦀 ü", "Nothing found"),
        ("x" * 5000, "Nothing found"),
        ("<script>alert(1)", "&lt;script&gt;"),
        ("https://hooks.acme.example/in", "Nothing found."),
        ("", "A request ID, an ID such as"),
    ],
)
def test_what_finds_nothing_says_what_can_be_searched(olga, text, sentence):
    page = found(olga, text)
    assert sentence in page and "the first letters of a key" in page


def test_a_search_needs_a_csrf_token_and_no_url_triggers_one(olga, told, working_operator):
    assert olga.get(FIND, {"text": told.key.mask}).context["found"] is None
    strict = Client(enforce_csrf_checks=True, headers={"cookie": olga.cookies.output(header="", sep=";")})
    assert strict.post(FIND, {"text": "acme"}).status_code == 403


def test_nobody_else_searches(told, browser_of, ada, working_operator):
    for browser in (Client(), browser_of(ada), browser_of(working_operator, second_step=False)):
        for answer in (browser.get(FIND), browser.post(FIND, {"text": told.key.mask})):
            assert answer.status_code == 302 and answer["Location"].startswith(("/admin/login/?", "/account/"))


# Secrets


@pytest.mark.parametrize("around", ["{}", "Authorization: Bearer {}", "curl -H 'X-API-Key: {}' https://x.example"])
def test_a_whole_key_finds_its_page_and_is_nowhere_afterward(olga, acme_key, caplog, around):
    caplog.set_level(logging.DEBUG)
    secret, before = acme_key.text[16:48], AuditEntry.objects.count()
    answer = olga.post(FIND, {"text": around.format(acme_key.text)}, follow=True)
    page = answer.content.decode()
    assert answer.redirect_chain == [(address_of(acme_key.row), 302)]
    assert "whoever sent it should rotate it" in page and "It isn&#x27;t the key" not in page
    assert secret not in page and secret not in caplog.text
    assert secret not in str(dict(olga.session)) and secret not in olga.cookies.output()
    assert AuditEntry.objects.count() == before


def test_a_key_that_is_not_the_one_it_begins_like_is_named_so(olga, acme_key, make_key, acme):
    other = make_key(acme).text
    wrong = acme_key.text[:16] + other[16:]
    slip = "y" if acme_key.text[30] == "x" else "x"
    for text in (wrong, acme_key.text[:-1], acme_key.text[:30] + slip + acme_key.text[31:], acme_key.text + "x"):
        page = found(olga, text)
        assert "characters are missing or wrong" in page and acme_key.row.mask in page
        assert text[16:28] not in page
    page = found(olga, other[:4] + "0" * 12 + other[16:])
    assert "Nothing found" in page and other[16:48] not in page


def test_a_link_from_a_mail_does_not_come_back(olga):
    page = found(olga, "https://portal.example/account/password/reset/key/1-CANARYOFTHELINK/")
    assert "Nothing found." in page and "CANARYOFTHELINK" not in page


@pytest.mark.parametrize("secret", ["whsec_" + "QUJD" * 11, "Basic aXBrX" + "A" * 80, "ips_" + "Aa0" * 17])
def test_no_other_secret_comes_back(olga, secret):
    assert secret[-20:] not in found(olga, secret)


def test_no_answer_shows_what_is_the_customers(olga, told):
    for row in (told.event, told.delivery, told.endpoint, told.mail, told.key, Attempt.objects.latest("pk")):
        page = olga.get(address_of(row)).content.decode()
        assert "CANARY" not in page and "ORD-1" not in page, row
    assert "CANARY" not in found(olga, ADDRESS)


# A key


def test_the_page_of_a_key_says_that_it_works_and_when_it_was_used(olga, acme_key, client):
    assert "Never used" in read(olga, acme_key.row)
    client.get("/v1/me", headers=acme_key.headers)
    client.get("/v1/users/user_0", headers=acme_key.headers)
    page = olga.get(address_of(acme_key.row))
    text = "\n".join(str(line.text) for line in page.context["summary_lines"])
    assert "The key works." in text and "Last accepted request" in text
    refused, latest = page.context["panels"]
    assert [len(refused.rows), len(latest.rows)] == [1, 2]
    assert refused.rows[0][0].url == address_of(ApiCall.objects.filter(status=404).get())


def test_the_page_of_a_key_says_why_requests_are_refused(olga, acme, acme_key, make_key):
    maker, key = system(acme.pk), acme_key.row
    keys.disable_key(actor=maker, key_id=key.public_id, reason="Ticket 12")
    assert "401 disabled_api_key" in read(olga, key) and "Ticket 12" in read(olga, key)
    assert "By the portal or a command on" in read(olga, key)
    keys.enable_key(actor=maker, key_id=key.public_id)
    keys.change_key("quarantine", actor=maker, key_id=key.public_id, reason="Leaked")
    assert "The key works." in read(olga, key) and "403 key_quarantined" in read(olga, key)
    keys.release_key(actor=maker, key_id=key.public_id)
    type(key).objects.filter(pk=key.pk).update(allowed_networks=["203.0.113.0/24"])
    assert "Only from 203.0.113.0/24" in read(olga, key)
    Package.objects.create(organization=acme, types_off=["partner"], scopes_off=["users:write"])
    assert "Keys of this type are turned off" in read(olga, key) and "users:write" in read(olga, key)
    suspension.suspend_organization(actor=maker, organization_id=acme.pk, reason="Unpaid")
    assert "403 organization_suspended" in read(olga, key) and "The key works." not in read(olga, key)
    type(key).objects.filter(pk=key.pk).update(expires_at=timezone.now() - timedelta(days=1))
    assert "401 expired_api_key" in read(olga, key)
    type(key).objects.filter(pk=key.pk).update(expires_at=None)
    keys.revoke_key(actor=maker, key_id=key.public_id, reason="Over")
    assert "401 revoked_api_key" in read(olga, key) and "expired_api_key" not in read(olga, key)


def test_a_rotated_key_leads_to_its_successor_and_back(olga, acme, acme_key):
    successor, _text = keys.rotate_key(actor=system(acme.pk), key_id=acme_key.row.public_id, overlap_seconds=3600)
    assert f"Replaced by: {successor}" in read(olga, acme_key.row)
    assert "Replaces:" in read(olga, successor)


def test_a_key_and_an_endpoint_show_the_notifications_about_them(olga, told, acme):
    for kind, row, place in (
        ("api_key.expiring", told.key, "api-keys"),
        ("endpoint.failing", told.endpoint, "webhooks"),
    ):
        path = f"settings/integration/{place}/{row.public_id}/"
        notices.notify(organization_id=acme.pk, kind=kind, dedupe_key=f"{row.public_id}:x", path=path)
        panel = olga.get(address_of(row)).context["panels"][-1]
        assert [each[0].text for each in panel.rows] == [kind]


def test_an_sdk_key_has_the_same_answer(olga, acme):
    from tests.conventions.conftest import new_sdk_key

    key = new_sdk_key(acme).row
    assert "The key works." in read(olga, key)
    assert olga.post(FIND, {"text": key.mask})["Location"] == address_of(key)


# A request


def test_the_page_of_a_request_says_why_it_was_refused_and_leads_to_the_key(olga, told):
    answer = read(olga, told.call)
    assert "Answered with 401 revoked_api_key" in answer and "was revoked" in answer
    page = olga.get(address_of(told.call)).content.decode()
    assert address_of(told.key) in page


def test_a_request_leads_to_what_it_changed_and_back(olga, acme_key, client):
    client.post(
        "/v1/webhook-endpoints", {"url": "https://hooks.acme.example/in", "event_types": ["*"]},
        content_type="application/json", headers={**acme_key.headers, "X-Request-ID": REQUEST_ID},
    )  # fmt: skip
    call, entry = ApiCall.objects.get(), AuditEntry.objects.get(request_id=REQUEST_ID)
    page = olga.get(address_of(call))
    assert page.context["panels"][0].rows[0][0].url == address_of(entry)
    back = olga.get(address_of(entry))
    assert back.context["panels"][0].rows[0][0].url == address_of(call)
    assert address_of(Endpoint.objects.get()) in back.content.decode()
    assert address_of(acme_key.row) in back.content.decode()


# A webhook


def test_the_page_of_a_delivery_says_what_became_of_it(olga, told):
    row, soon = Delivery.objects.filter(pk=told.delivery.pk), timezone.now() + timedelta(minutes=5)
    assert "Failed permanently" in read(olga, told.delivery) and "certificate has expired" in read(olga, told.delivery)
    row.update(status="pending", next_attempt_at=soon, next_attempt_reason="retry")
    assert "Attempts: 3" in read(olga, told.delivery) and "Workers" not in read(olga, told.delivery)
    row.update(attempt_count=0, next_attempt_at=timezone.now() - timedelta(hours=1))
    assert "no worker has taken it yet" in read(olga, told.delivery)
    row.update(status="sending", next_attempt_at=None)
    assert "sending it now" in read(olga, told.delivery)
    row.update(status="dropped")
    assert "Discarded" in read(olga, told.delivery)
    row.update(status="succeeded", last_error="", last_status_code=204)
    assert "Delivered" in read(olga, told.delivery) and "204" in read(olga, told.delivery)
    actions.pause_endpoint(actor=system(told.endpoint.organization_id), endpoint_id=told.endpoint.public_id)
    row.update(status="held")
    answer = read(olga, told.delivery)
    assert "On hold" in answer and "was paused" in answer and told.endpoint.shown_url in answer


def test_the_page_of_an_event_says_who_got_it_and_why_the_others_did_not(olga, told, acme):
    actor = system(acme.pk)
    later, _secret = actions.create_endpoint(actor=actor, url="https://late.example/x", event_types=["order.*"])
    gone, _secret = actions.create_endpoint(actor=actor, url="https://gone.example/x", event_types=["order.*"])
    changed, _secret = actions.create_endpoint(actor=actor, url="https://new.example/x", event_types=["order.*"])
    before = told.event.created_at - timedelta(days=1)
    Endpoint.objects.filter(pk=gone.pk).update(created_at=before, deleted_at=before, updated_at=before)
    Endpoint.objects.filter(pk=changed.pk).update(created_at=before)
    page = olga.get(address_of(told.event))
    got, without = page.context["panels"]
    assert [row[0].url for row in got.rows] == [address_of(told.delivery)]
    why = {row[0].text: row[2].text for row in without.rows}
    assert "Not subscribed to order.created" in why[told.quiet_endpoint.shown_url]
    assert "Created after the event" in why[later.shown_url]
    assert "Deleted before the event" in why[gone.shown_url]
    assert "changed after the event" in why[changed.shown_url]
    Endpoint.objects.filter(pk=changed.pk).update(updated_at=before)
    assert "no longer kept" in olga.get(address_of(told.event)).content.decode()
    FanOutBatch.objects.create(organization=acme, event=told.event, endpoint_ids=[str(changed.pk)], size=1)
    text = olga.get(address_of(told.event)).content.decode()
    assert "still being created" in text and "workers still have to create: 1." in text


def test_an_event_that_nobody_was_subscribed_to_says_so(olga, acme):
    accepted = publishing.publish(organization_id=acme.pk, event_type="order.created", data={}, publisher="own")
    assert "so nobody got it" in read(olga, Event.objects.get(pk=accepted.event_id))


def test_the_page_of_an_endpoint_says_its_state(olga, told, acme):
    row = Endpoint.objects.filter(pk=told.endpoint.pk)
    assert "enabled and healthy" in read(olga, told.endpoint)
    row.update(health="failing", failing_since=timezone.now(), failures_in_a_row=9)
    assert "Failures in a row: 9" in read(olga, told.endpoint)
    row.update(status="disabled", disabled_reason="gone", disabled_at=timezone.now())
    assert "disabled automatically" in read(olga, told.endpoint) and "410" in read(olga, told.endpoint)
    row.update(deleted_at=timezone.now())
    assert "was deleted" in read(olga, told.endpoint)
    suspension.suspend_organization(actor=system(acme.pk), organization_id=acme.pk, reason="Unpaid")
    assert "The organization isn't active" in read(olga, told.endpoint)


def test_the_page_of_an_organization_leads_to_what_it_has(olga, told, acme, rival):
    page = olga.get(address_of(acme)).content.decode()
    for row in (told.endpoint, told.key, told.delivery):
        assert address_of(row) in page
    assert "/admin/audit/apicall/?q=acme" in page
    assert told.endpoint.public_id not in olga.get(address_of(rival)).content.decode()


# Mail


def test_the_page_of_a_mail_says_whether_it_left(olga, told):
    mail = OutgoingMail.objects.create(to=ADDRESS, subject="Welcome", body="x")
    assert "Waiting for a worker" in read(olga, mail)
    OutgoingMail.objects.filter(pk=mail.pk).update(attempts=2, last_error="ConnectionRefusedError: [Errno 111]")
    assert "Attempt 2 of 20 failed: ConnectionRefusedError" in read(olga, mail)
    assert "Failed permanently" in read(olga, told.mail) and "No such user here" in read(olga, told.mail)
    sent = OutgoingMail.objects.exclude(sent_at=None).get()
    assert "queued as 4fJq2k1" in read(olga, sent)
    assert "Invitation" in found(olga, ADDRESS)


def test_a_person_has_their_mail_and_what_they_declined_on_their_page(olga, acme, ada):
    Membership.objects.filter(user=ada).update(mail_off=["webhooks"])
    OutgoingMail.objects.create(to=ada.email, subject="Your key expires soon", body="x")
    page = olga.get(address_of(ada)).content.decode()
    assert "Your key expires soon" in page and "endpoints that fail" in page


def test_what_the_mail_server_said_is_kept_with_the_mail(settings, monkeypatch, db):
    from django.core.mail import EmailMessage

    def send(self: EmailMessage) -> int:
        self.server_answer = "2.0.0 Ok: queued as 77 ipk_" + "a" * 50
        return 1

    monkeypatch.setattr(EmailMessage, "send", send)
    OutgoingMail.objects.create(to=ADDRESS, subject="Welcome", body="x")
    assert jobs.send_due_mail() == 1
    said = OutgoingMail.objects.get().server_answer
    assert said.startswith("2.0.0 Ok: queued as 77") and "aaaaaaaaaa" not in said


# Speed


def test_a_search_and_every_answer_walk_indexes(olga, told, acme):
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL plans by figures that a few rows do not give; see benchmarks/operator_pages.py")
    tables = [page.model._meta.db_table for page in PAGES if page.model._meta.label in LONG]
    texts = (REQUEST_ID, told.event.public_id, told.key.mask, ADDRESS, "acme", "203.0.113.9", "nothing-of-that")
    rows = (told.event, told.delivery, told.endpoint, told.key, told.call, told.mail, acme)
    with CaptureQueriesContext(connection) as queries:
        for text in texts:
            olga.post(FIND, {"text": text})
        for row in rows:
            olga.get(address_of(row))
    asked = [(table, query["sql"]) for query in queries for table in tables if f'FROM "{table}"' in query["sql"]]
    assert len(asked) > 60
    assert [bad_plans(statement, table, may_walk=False) for table, statement in asked] == [[]] * len(asked)

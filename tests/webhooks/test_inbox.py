"""The test inbox: the whole pipeline without a network, with verified signatures."""

import pytest

from apps.audit.models import AuditEntry
from apps.base.actor import system
from apps.base.errors import Conflict, Invalid
from apps.webhooks import actions
from apps.webhooks.engine.loop import Engine
from apps.webhooks.engine.sender import Sender
from apps.webhooks.engine.test_inbox import INBOX_URL
from apps.webhooks.models import Delivery, Endpoint
from tests.engines import publish
from tests.senders import LOCAL, refuse_into
from tests.webhooks.pages import HERE, SECRET, at, make, text_of

pytestmark = pytest.mark.django_db(transaction=True)
PAGE = HERE + "webhooks/inbox/"


DIALLED: list[tuple[str, int]] = []


def engine():
    """An engine that records every address it connects to and sends no packet."""
    return Engine("test", sender=Sender(policy=LOCAL, on_socket=refuse_into(DIALLED)), poll_seconds=0.02)


def open_inbox(organization):
    return actions.open_inbox(actor=system(organization.pk))


def test_it_is_opened_once_and_recorded(browser_of, dev, acme):
    browser = browser_of(dev)
    assert "No test inbox yet" in text_of(browser.get(PAGE))
    for _click in range(2):
        answer = browser.post(PAGE + "open/")
        assert answer["Location"] == PAGE
    assert Endpoint.objects.get().url == INBOX_URL
    assert AuditEntry.objects.filter(action="endpoint.created").count() == 1
    page = browser.get(PAGE)
    assert "Nothing received yet" in text_of(page) and not SECRET.search(page.content.decode())


def test_what_is_published_arrives_signed_without_a_network(browser_of, dev, acme):
    inbox = open_inbox(acme)
    publish(acme)
    counts = engine().run_until_idle()
    assert (counts["succeeded"], DIALLED) == (1, [])
    delivery = Delivery.objects.get()
    attempt = delivery.attempts.get()
    assert (attempt.status_code, attempt.error, attempt.address) == (200, "", "")
    page = text_of(browser_of(dev).get(PAGE))
    assert "order.created" in page and "Signature right" in page and "ORD-1" in page
    assert attempt.request_headers["webhook-signature"] in page
    inbox.refresh_from_db()
    assert (inbox.health, inbox.failures_in_a_row) == ("healthy", 0)


def test_a_test_send_leads_back_to_the_inbox_and_arrives(browser_of, dev, acme):
    inbox = open_inbox(acme)
    browser = browser_of(dev)
    answer = browser.post(at(inbox, "test/"), {"event_type": "invoice.paid", "back": "inbox"})
    assert answer["Location"] == PAGE
    engine().run_until_idle()
    assert "invoice.paid Test Signature right" in text_of(browser.get(PAGE + "?part=list"))


def test_a_signature_of_a_secret_that_ended_is_said_to_be_so(browser_of, dev, acme):
    inbox = open_inbox(acme)
    publish(acme)
    engine().run_until_idle()
    actions.rotate_secret(actor=system(acme.pk), endpoint_id=inbox.public_id, overlap_seconds=0)
    words = text_of(browser_of(dev).get(PAGE))
    assert "Not verified" in words and "signed with a secret that is no longer valid" in words


def test_pause_holds_for_it_like_for_any_other(acme):
    inbox = open_inbox(acme)
    actions.pause_endpoint(actor=system(acme.pk), endpoint_id=inbox.public_id)
    publish(acme)
    engine().run_until_idle()
    assert Delivery.objects.get().status == "held"


def test_its_url_cannot_be_entered_or_changed(browser_of, dev, acme):
    maker = system(acme.pk)
    with pytest.raises(Invalid):
        actions.create_endpoint(actor=maker, url=INBOX_URL, event_types=["*"])
    endpoint, inbox = make(acme), open_inbox(acme)
    with pytest.raises(Invalid):
        actions.update_endpoint(actor=maker, endpoint_id=endpoint.public_id, url=INBOX_URL)
    with pytest.raises(Invalid):
        actions.update_endpoint(actor=maker, endpoint_id=inbox.public_id, url="https://hooks.acme.example/")
    form = {"all_events": "", "event_types": ["order.*"], "description": "Mine"}
    assert browser_of(dev).post(at(inbox, "edit/"), form).status_code == 302
    inbox.refresh_from_db()
    assert (inbox.url, inbox.event_types, inbox.description) == (INBOX_URL, ["order.*"], "Mine")


def test_it_counts_as_an_endpoint(browser_of, dev, acme):
    type(acme).objects.filter(pk=acme.pk).update(endpoint_limit=1)
    make(acme)
    with pytest.raises(Conflict):
        open_inbox(acme)
    assert "The limit of 1 endpoints is reached" in text_of(browser_of(dev).post(PAGE + "open/", follow=True))


def test_strangers_and_viewers(browser_of, zed, vera, acme, rival):
    open_inbox(acme)
    assert browser_of(zed).get(PAGE).status_code == 404
    assert browser_of(vera).get(PAGE).status_code == 200
    assert browser_of(vera).post(PAGE + "open/").status_code == 403
    assert "No test inbox yet" in text_of(browser_of(zed).get(PAGE.replace("acme", "rival")))

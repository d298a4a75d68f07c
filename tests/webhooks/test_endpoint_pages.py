"""The endpoint list and page in each state of an endpoint, and signing secrets."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from apps.audit.models import AuditEntry
from apps.base.actor import system
from apps.webhooks import actions
from apps.webhooks.engine import endpoint_health
from apps.webhooks.models import Delivery, Endpoint
from tests.engines import publish
from tests.webhooks.pages import HERE, SECRET, at, make, set_state, text_of, token_of, tried

pytestmark = pytest.mark.django_db


@pytest.fixture
def endpoint(acme):
    return make(acme)


@pytest.fixture
def failing(acme, endpoint):
    """An endpoint that has been failing for an hour, with a 503 as its latest result."""
    publish(acme)
    delivery = set_state(Delivery.objects.get(), status="exhausted", last_error="http_error", last_status_code=503)
    tried(delivery)
    since = timezone.now() - timedelta(hours=1)
    values = {"health": "failing", "failures_in_a_row": 12, "failing_since": since}
    Endpoint.objects.filter(pk=endpoint.pk).update(**values)
    endpoint.refresh_from_db()
    return endpoint


def test_a_failing_one_tells_since_when_on_what_evidence_and_when_it_ends(browser_of, dev, failing):
    page = browser_of(dev).get(at(failing))
    words = text_of(page)
    assert "This endpoint is failing" in words and "Failures in a row 12" in words and "503" in words
    assert "Without a success we switch it off in 4 days" in words
    assert "The receiver failed by itself" in words  # what to try, by class
    link = re.search(r'href="([^"]*/replay/[^"]*)"', page.content.decode())[1]
    assert f"from={failing.failing_since.timestamp():.0f}" in link
    assert "Replay what was missed" in words


def test_one_that_we_disabled_is_told_apart_with_reason_and_three_ways_back(browser_of, dev, acme, failing):
    endpoint_health.disable(failing.pk, "gone")
    publish(acme)
    browser = browser_of(dev)
    words = text_of(browser.get(at(failing)))
    assert "We switched this endpoint off. It answered 410 Gone." in words
    for choice in (
        "Enable and send what is held",
        "Enable, keep it held",
        "Enable, drop what is held",
        "Replay what was",
    ):
        assert choice in words
    assert "stopped by us" in text_of(browser.get(HERE + "webhooks/"))
    browser.post(at(failing, "enable/"), {"held": "keep"})
    words = text_of(browser.get(at(failing)))
    assert "2 events are held for it. New events are sent." in words and "Send what is held" in words
    browser.post(at(failing, "enable/"), {"held": "drop"})
    assert not Delivery.objects.filter(status="held").exists()


def test_one_that_a_person_paused_is_not_our_doing(browser_of, dev, vera, endpoint):
    actions.pause_endpoint(actor=system(endpoint.organization_id), endpoint_id=endpoint.public_id)
    words = text_of(browser_of(vera).get(at(endpoint)))
    assert "This endpoint is paused." in words and "We switched" not in words and "Enable" not in words


def test_the_list_names_the_inbox_and_shows_rates(browser_of, vera, acme, failing):
    actions.open_inbox(actor=system(acme.pk))
    words = text_of(browser_of(vera).get(HERE + "webhooks/"))
    assert "Test inbox" in words and "hooks.acme.example/in" in words and "0 %" in words


def test_every_tab_opens_for_everybody_who_may_read(browser_of, vera, endpoint):
    browser = browser_of(vera)
    for tab in ("deliveries", "verify", "test", "settings"):
        page = browser.get(at(endpoint, f"?tab={tab}"))
        assert page.status_code == 200
        assert not {"Send test", "Edit", "Rotate secret", "Delete endpoint", "Send selected again"} & set(
            re.findall(r">([^<>]+)</(?:a|button)>", page.content.decode())
        )


def test_rotation_shows_the_new_secret_once_and_both_by_age(browser_of, dev, endpoint):
    browser = browser_of(dev)
    page = browser.get(at(endpoint, "rotate-secret/"))
    data = {"token": token_of(page), "overlap_seconds": "3600"}
    shown = browser.post(at(endpoint, "rotate-secret/"), data)
    secret = SECRET.search(shown.content.decode())[0]
    assert shown["Cache-Control"] == "no-store, private"
    assert [each.secret for each in endpoint.secrets.filter(expires_at=None)] == [secret]
    again = browser.post(at(endpoint, "rotate-secret/"), data, follow=True)
    assert secret not in again.content.decode() and endpoint.secrets.count() == 2
    words = text_of(browser.get(at(endpoint, "?tab=settings")))
    assert words.index("Newest") < words.index("In overlap") and "End old secret now" in words and secret not in words


def test_the_old_secret_is_ended_and_the_newest_is_not(browser_of, dev, endpoint):
    actions.rotate_secret(actor=system(endpoint.organization_id), endpoint_id=endpoint.public_id)
    old = endpoint.secrets.exclude(expires_at=None).get()
    newest = endpoint.secrets.get(expires_at=None)
    browser = browser_of(dev)
    browser.post(at(endpoint, "end-secret/"), {"secret": newest.public_id})
    assert endpoint.secrets.count() == 2
    assert browser.post(at(endpoint, "end-secret/"), {"secret": old.public_id}).status_code == 302
    assert [each.pk for each in endpoint.secrets.all()] == [newest.pk]
    assert AuditEntry.objects.get(action="endpoint.secret_ended").target_id == endpoint.public_id
    assert browser.post(at(endpoint, "end-secret/"), {"secret": old.public_id}).status_code == 302


def test_who_is_there_is_asked_before_a_secret_or_an_endpoint_ends(browser_of, dev, endpoint):
    actions.rotate_secret(actor=system(endpoint.organization_id), endpoint_id=endpoint.public_id)
    old = endpoint.secrets.exclude(expires_at=None).get()
    browser = browser_of(dev, confirmed=False)
    answer = browser.post(at(endpoint, "end-secret/"), {"secret": old.public_id})
    assert answer["Location"].startswith("/account/reauthenticate/?next=") and endpoint.secrets.count() == 2
    token = token_of(browser.get(at(endpoint, "delete/")))
    page = browser.post(at(endpoint, "delete/"), {"token": token, "confirm": "on"})
    assert page.status_code == 422 and "confirm_password" in page.content.decode()


def test_a_secret_of_another_organization_cannot_be_revoked(browser_of, zed, dev, endpoint, rival):
    theirs = make(rival, "https://hooks.rival.example/in")
    actions.rotate_secret(actor=system(rival.pk), endpoint_id=theirs.public_id)
    old = theirs.secrets.exclude(expires_at=None).get()
    assert browser_of(zed).post(at(endpoint, "end-secret/"), {"secret": old.public_id}).status_code == 404
    browser_of(dev).post(at(endpoint, "end-secret/"), {"secret": old.public_id})
    assert theirs.secrets.count() == 2


def test_rotation_asks_who_is_there_and_refuses_odd_overlaps(browser_of, dev, endpoint):
    browser = browser_of(dev, confirmed=False)
    page = browser.get(at(endpoint, "rotate-secret/"))
    assert "confirm_password" in page.content.decode()
    assert (
        browser.post(at(endpoint, "rotate-secret/"), {"token": token_of(page), "overlap_seconds": "0"}).status_code
        == 422
    )
    page = browser_of(dev).post(at(endpoint, "rotate-secret/"), {"token": token_of(page), "overlap_seconds": "5"})
    assert page.status_code == 422 and endpoint.secrets.count() == 1


def test_a_test_is_shown_step_by_step(browser_of, dev, endpoint):
    browser = browser_of(dev)
    answer = browser.post(at(endpoint, "test/"), {"event_type": "invoice.paid"})
    delivery = Delivery.objects.get(test=True)
    here = answer["Location"]
    assert here == at(endpoint, f"?tab=test&sent={delivery.public_id}") and delivery.event_type == "invoice.paid"
    page = browser.get(here)
    assert "Waiting for a worker" in text_of(page) and "data-poll=" in page.content.decode()
    assert "Refresh" in text_of(page)  # without script
    timings = {"dns": 3, "connect": 12, "tls": 20, "first_byte": 40, "total": 75}
    tried(delivery, status_code=200, error="", timings_ms=timings, address="203.0.113.9")
    set_state(delivery, status="succeeded", last_status_code=200)
    words = text_of(browser.get(here + "&part=steps"))
    for step in ("Name looked up", "Connected to 203.0.113.9", "TLS agreed", "Answered 200", "It arrived."):
        assert step in words
    assert "<html" not in browser.get(here + "&part=steps").content.decode()


def test_a_failed_test_says_what_to_try_and_too_many_are_refused_on_the_page(browser_of, dev, endpoint):
    browser = browser_of(dev)
    for _number in range(5):
        answer = browser.post(at(endpoint, "test/"))
    delivery = Delivery.objects.filter(test=True).latest("pk")
    tried(delivery, status_code=None, error="tls_failed")
    set_state(delivery, status="exhausted", last_error="tls_failed")
    assert "A secure connection couldn't be established" in text_of(browser.get(answer["Location"]))
    refused = browser.post(at(endpoint, "test/"), follow=True)
    assert "Five test sends a minute" in text_of(refused) and Delivery.objects.count() == 5
    assert "no such event type" in text_of(browser.post(at(endpoint, "test/"), {"event_type": "x.y"}, follow=True))


def test_the_steps_of_another_organizations_test_are_not_shown(browser_of, dev, endpoint, rival):
    theirs = make(rival, "https://hooks.rival.example/in")
    sent = actions.send_test(actor=system(rival.pk), endpoint_id=theirs.public_id)
    page = browser_of(dev).get(at(endpoint, f"?tab=test&sent={sent.public_id}"))
    assert page.status_code == 200 and sent.event.public_id not in page.content.decode()

"""The delivery list with its filters and selections, and a delivery in every state."""

from datetime import timedelta

import pytest
from django.utils import timezone

from apps.audit.models import AuditEntry
from apps.base.actor import system
from apps.base.identifiers import encode, new_uuid, uuid_at
from apps.webhooks import actions
from apps.webhooks.models import Delivery, Endpoint, Event
from tests.engines import publish
from tests.webhooks.pages import HERE, at, make, set_state, text_of, tried

pytestmark = pytest.mark.django_db


@pytest.fixture
def endpoint(acme):
    return make(acme)


@pytest.fixture
def delivery(acme, endpoint):
    publish(acme)
    return Delivery.objects.get()


def page_of(browser, delivery, query=""):
    return browser.get(f"{HERE}deliveries/{delivery.public_id}/{query}")


def exhausted(acme, count):
    known = set(Delivery.objects.values_list("pk", flat=True))
    for _number in range(count):
        publish(acme)
    rows = Delivery.objects.exclude(pk__in=known)
    rows.update(status="exhausted", last_error="http_error", last_status_code=503, next_attempt_at=None)
    return list(rows.order_by("pk"))


# The list


def test_each_filter_keeps_what_it_names(browser_of, vera, acme, endpoint):
    waiting, good, failed, retrying, late = (publish(acme) and Delivery.objects.latest("pk") for _ in range(5))
    set_state(good, status="succeeded", attempt_count=1)
    set_state(failed, status="exhausted", last_error="timed_out")
    set_state(retrying, last_error="http_error", attempt_count=2)
    set_state(late, status="succeeded", attempt_count=3)
    browser = browser_of(vera)

    def shown(query):
        words = browser.get(at(endpoint, f"?part=list&{query}")).content.decode()
        return [row for row in (waiting, good, failed, retrying, late) if row.public_id in words]

    assert shown("") == [waiting, good, failed, retrying, late]
    assert shown("status=succeeded") == [good, late]
    assert shown("status=failed") == [failed, retrying]
    assert shown("status=waiting") == [waiting, retrying]
    assert shown("errors=1") == [failed, retrying, late]
    assert shown("status=succeeded&errors=1") == [late]
    assert shown(f"q={failed.public_id}") == [failed]
    assert shown(f"q={encode('evt', good.event_id)}") == [good]
    assert shown("event_type=invoice.paid") == shown("q=nonsense") == []
    old = timezone.now() - timedelta(days=2)
    Delivery.objects.filter(pk=waiting.pk).update(id=uuid_at(old), created_at=old)
    assert waiting not in shown("since=24h") and good in shown("since=24h")


def test_what_failed_in_this_view_leads_to_a_replay_with_the_same_filters(browser_of, dev, vera, acme, endpoint):
    exhausted(acme, 3)
    page = browser_of(dev).get(at(endpoint, "?event_type=order.created&since=24h"))
    assert "3 failed for good in this view Replay…" in text_of(page)
    assert "replay/?status=exhausted&amp;event_types=order.created&amp;from=" in page.content.decode()
    assert "failed for good" not in text_of(browser_of(dev).get(at(endpoint, "?status=succeeded")))
    assert "Replay…" not in text_of(browser_of(vera).get(at(endpoint)))


def test_older_pages_do_not_refresh_themselves(browser_of, vera, acme, endpoint, delivery):
    browser = browser_of(vera)
    assert "data-poll=" in browser.get(at(endpoint)).content.decode()
    cursor = "?cursor=" + encode("dlv", new_uuid())
    assert browser.get(at(endpoint, cursor)).status_code == 200


def test_a_selection_is_sent_again_with_one_entry(browser_of, dev, acme, endpoint):
    rows = exhausted(acme, 3)
    chosen = [row.public_id for row in rows[:2]]
    page = browser_of(dev).post(at(endpoint, "send-again/"), {"delivery": chosen}, follow=True)
    assert "2 deliveries are queued again." in text_of(page)
    again = Delivery.objects.filter(status="pending")
    assert {row.event_id for row in again} == {row.event_id for row in rows[:2]}
    assert AuditEntry.objects.filter(action="endpoint.deliveries_retried").count() == 1


def test_one_row_is_sent_again_by_its_own_button(browser_of, dev, acme, endpoint):
    first, second = exhausted(acme, 2)
    browser_of(dev).post(at(endpoint, "send-again/"), {"one": second.public_id, "delivery": [first.public_id]})
    assert [row.event_id for row in Delivery.objects.filter(status="pending")] == [second.event_id]


@pytest.mark.parametrize("body", [{}, {"delivery": ["nonsense"]}, {"delivery": ["dlv_" + "0" * 22]}])
def test_an_odd_selection_is_said_to_be_so(browser_of, dev, acme, endpoint, body):
    page = browser_of(dev).post(at(endpoint, "send-again/"), body, follow=True)
    assert page.status_code == 200 and "toast warn" in page.content.decode()


def test_deliveries_of_others_cannot_be_resent(browser_of, dev, zed, acme, rival, endpoint):
    theirs = make(rival, "https://hooks.rival.example/in")
    publish(rival)
    row = set_state(Delivery.objects.get(endpoint=theirs), status="exhausted", next_attempt_at=None)
    browser_of(dev).post(at(endpoint, "send-again/"), {"delivery": [row.public_id]})
    assert browser_of(dev).post(at(theirs, "send-again/"), {"delivery": [row.public_id]}).status_code == 404
    assert Delivery.objects.count() == 1


# One delivery


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({}, "Waiting"),
        ({"status": "sending", "next_attempt_at": None}, "Sending"),
        ({"status": "succeeded", "next_attempt_at": None, "attempt_count": 1}, "Delivered"),
        (
            {"attempt_count": 2, "next_attempt_reason": "retry"},
            "Attempt 3 planned by the schedule",
        ),
        ({"attempt_count": 1, "next_attempt_reason": "retry_after"}, "as the receiver asked"),
        ({"attempt_count": 1, "next_attempt_reason": "lost"}, "our worker did not come back"),
        ({"status": "exhausted", "next_attempt_at": None}, "Every attempt of the schedule failed"),
        ({"status": "held", "next_attempt_at": None}, "Held: the organization was suspended"),
        ({"status": "dropped", "next_attempt_at": None}, "It was given up by choice"),
    ],
)
def test_every_state_is_told(browser_of, vera, delivery, values, says):
    set_state(delivery, **values)
    assert says in text_of(page_of(browser_of(vera), delivery))


def test_a_pruned_payload_a_paused_and_a_deleted_endpoint_are_told(browser_of, dev, acme, delivery, endpoint):
    browser = browser_of(dev)
    set_state(delivery, status="succeeded", next_attempt_at=None)
    Event.objects.update(body=None)
    words = text_of(page_of(browser, delivery, "?tab=request"))
    assert "cannot be sent again" in words and "The body is no longer kept" in words and "Send again" not in words
    assert "not be checked" in text_of(page_of(browser, tried(delivery) and delivery, "?tab=verify"))
    set_state(delivery, status="held")
    actions.pause_endpoint(actor=system(acme.pk), endpoint_id=endpoint.public_id)
    assert "Held: the endpoint is paused" in text_of(page_of(browser, delivery))
    actions.delete_endpoint(actor=system(acme.pk), endpoint_id=endpoint.public_id)
    words = text_of(page_of(browser, delivery))
    assert (
        "Delivery to a deleted endpoint" in words
        and "Its endpoint was deleted" in words
        and "Copy as curl" not in words
    )


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"status_code": 503}, "The receiver failed by itself"),
        ({"status_code": 404}, "Check the path of the URL"),
        ({"status_code": 401}, "wants credentials"),
        ({"status_code": 429}, "slower pace"),
        ({"status_code": 418}, "the network is fine"),
        ({"status_code": 302, "error": "redirected"}, "We do not follow redirects"),
        ({"status_code": None, "error": "dns_failed"}, "your DNS records"),
        ({"status_code": None, "error": "tls_failed"}, "certificate"),
        ({"status_code": None, "error": "timed_out"}, "took too long"),
        ({"status_code": None, "error": "connection_failed"}, "Nothing answered"),
    ],
)
def test_what_to_try_is_told_by_class(browser_of, vera, delivery, values, says):
    tried(delivery, **values)
    advice, _, timeline = text_of(page_of(browser_of(vera), delivery)).partition("Timeline")
    assert says in advice and says not in timeline


def test_phases_attempts_and_the_next_one_in_the_readers_zone(browser_of, vera, delivery):
    due = timezone.now() + timedelta(hours=3)
    tried(delivery, 1, status_code=None, error="timed_out", duration_ms=15_000.0)
    tried(
        delivery,
        2,
        timings_ms={"dns": 3, "connect": 12, "tls": 20, "first_byte": 40, "total": 84},
        address="203.0.113.9",
    )
    set_state(delivery, attempt_count=2, last_error="http_error", next_attempt_at=due, next_attempt_reason="retry")
    browser = browser_of(vera)
    page = page_of(browser, delivery)
    words = text_of(page)
    assert "name lookup 3 ms" in words and "203.0.113.9" in words and "in 2 hours" in words
    assert f'datetime="{due.isoformat(timespec="milliseconds").replace("+00:00", "Z")}"' in page.content.decode()
    assert "timed out" in text_of(page_of(browser, delivery, "?attempt=1"))
    assert "data-poll=" not in page.content.decode()  # no attempt is due soon
    set_state(delivery, next_attempt_at=timezone.now())
    assert "data-poll=" in page_of(browser, delivery).content.decode()
    assert "<html" not in page_of(browser, delivery, "?part=body").content.decode()


def test_the_first_delivery_of_one_that_was_sent_again_is_linked(browser_of, dev, acme, endpoint):
    (first,) = exhausted(acme, 1)
    answer = browser_of(dev).post(f"{HERE}deliveries/{first.public_id}/retry/", follow=True)
    assert "Queued again. Attempt 1 starts within a few seconds." in text_of(answer)
    assert f"deliveries/{first.public_id}/" in answer.content.decode()
    Delivery.objects.filter(pk=first.pk).delete()
    again = Delivery.objects.get()
    assert page_of(browser_of(dev), again).status_code == 200


def test_a_header_of_the_organization_never_comes_back(browser_of, dev, acme):
    endpoint = make(acme, "https://other.acme.example/in", headers={"X-Key": "blue-canary"})
    publish(acme)
    delivery = Delivery.objects.get(endpoint=endpoint)
    tried(delivery, request_headers={"X-Key": "••••", "webhook-id": "x"})
    for tab in ("request", "response", "verify"):
        assert "blue-canary" not in page_of(browser_of(dev), delivery, f"?tab={tab}").content.decode()
    assert Endpoint.objects.count() == 1

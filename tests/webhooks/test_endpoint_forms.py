"""Create, check and edit endpoints in the forms."""

import html
import json
import time
from types import SimpleNamespace

import pytest

from apps.audit.models import AuditEntry
from apps.webhooks.models import Endpoint, EventType, Subscription
from tests.conftest import PASSWORD
from tests.engines import LOOPBACK
from tests.receivers import status
from tests.webhooks.pages import HERE, at, make, text_of, token_of

pytestmark = pytest.mark.django_db
CREATE = HERE + "webhooks/create/"


def filled(**values):
    return {"url": "https://hooks.acme.example/in", "all_events": "", "event_types": ["order.*"], **values}


def checked(page, name):
    return f'value="{name}" checked' in page.content.decode()


@pytest.fixture
def reach_loopback(settings):
    settings.WEBHOOK_ALLOW_CIDRS = LOOPBACK


def test_groups_and_single_names_make_the_subscription(browser_of, dev, acme):
    browser = browser_of(dev)
    data = filled(event_types=["order.*", "invoice.paid"], max_in_flight="4", token=token_of(browser.get(CREATE)))
    assert browser.post(CREATE, data).status_code == 200
    endpoint = Endpoint.objects.get()
    assert (endpoint.event_types, endpoint.max_in_flight) == (["order.*", "invoice.paid"], 4)
    assert set(Subscription.objects.values_list("pattern", flat=True)) == {"order.*", "invoice.paid"}


def test_a_link_of_the_catalogue_ticks_its_type(browser_of, dev, acme):
    assert checked(browser_of(dev).get(f"{CREATE}?event=invoice.paid"), "invoice.paid")


def test_check_reaches_the_address_and_keeps_the_form(browser_of, dev, acme, receiver, reach_loopback):
    browser = browser_of(dev)
    data = filled(url=receiver.url, description="Kept words", headers="X-Team: blue", check="1")
    page = browser.post(CREATE, data)
    assert page.status_code == 200 and "It answered 200 in" in text_of(page)
    assert "Kept words" in page.content.decode() and "X-Team: blue" in page.content.decode()
    assert checked(page, "order.*") and not Endpoint.objects.exists()
    assert page["Cache-Control"] == "no-store, private"
    (sent,) = receiver.requests
    assert sent.head.startswith(b"POST ") and json.loads(sent.body)["type"] == "endpoint.check"
    assert not [name for name in sent.headers if name.lower().startswith("webhook-")]


def test_a_receiver_that_refuses_unsigned_calls_is_told_to_be_right(browser_of, dev, acme, receiver, reach_loopback):
    receiver.behaviour = status(401)
    assert "a receiver that refuses it is right" in text_of(
        browser_of(dev).post(CREATE, filled(url=receiver.url, check="1"))
    )


@pytest.mark.parametrize(
    "url", ["https://10.0.0.1/x", "https://169.254.169.254/latest", "ftp://a.example/", "", "https://localhost/"]
)
def test_check_tells_what_could_not_be_saved_either(browser_of, dev, acme, url):
    page = browser_of(dev).post(CREATE, filled(url=url, check="1"))
    assert page.status_code == 200 and 'class="check bad"' in page.content.decode()


def test_five_checks_a_minute_for_the_whole_organization(
    browser_of, dev, ada, acme, receiver, reach_loopback, monkeypatch
):
    # A minute that ends between two of the checks would begin to count anew.
    now = time.time()
    monkeypatch.setattr("django_ratelimit.core.time", SimpleNamespace(time=lambda: now))
    for number in range(6):
        page = browser_of(dev if number % 2 else ada).post(CREATE, filled(url=receiver.url, check="1"))
    assert "Too many tries" in text_of(page) and len(receiver.requests) == 5


def test_search_shows_less_and_unticks_nothing(browser_of, dev, acme):
    page = browser_of(dev).post(CREATE, filled(event_types=["order.created"], q="invoice", find="1"))
    words = page.content.decode()
    assert page.status_code == 200 and "Choose at least" not in words
    assert "invoice.paid" in words and "appointment.booked" not in words and checked(page, "order.created")


def test_an_edit_keeps_stored_headers_by_their_dots_and_adds_and_takes_away(browser_of, dev, acme):
    endpoint = make(
        acme, "https://hooks.acme.example/in", "order.*", headers={"X-Team": "blue-canary", "X-Old": "gone"}
    )
    browser = browser_of(dev)
    page = browser.get(at(endpoint, "edit/"))
    assert "X-Team: ••••" in page.content.decode() and "blue-canary" not in page.content.decode()
    data = filled(url="https://hooks.acme.example/new", headers="X-Team: ••••\nX-New: 2", description="Renamed")
    assert browser.post(at(endpoint, "edit/"), data)["Location"] == at(endpoint)
    endpoint.refresh_from_db()
    assert json.loads(endpoint.headers) == {"X-Team": "blue-canary", "X-New": "2"}
    assert (endpoint.url, endpoint.description, endpoint.event_types) == (data["url"], "Renamed", ["order.*"])
    entry = AuditEntry.objects.get(action="endpoint.updated")
    assert "blue-canary" not in json.dumps(entry.changes)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"url": "https://10.0.0.1/x"}, ""),
        ({"event_types": []}, "Choose at least one event"),
        ({"event_types": ["nonsense.type"]}, "not one of the available"),
        ({"headers": "Host: evil"}, "Host"),
        ({"max_in_flight": "65"}, "64"),
        ({"rate_limit_per_second": "x"}, "whole number"),
    ],
)
def test_a_bad_edit_says_so_and_changes_nothing(browser_of, dev, acme, change, says):
    endpoint = make(acme)
    page = browser_of(dev).post(at(endpoint, "edit/"), filled(**change))
    assert page.status_code == 422 and says in html.unescape(page.content.decode())
    before = endpoint.updated_at
    endpoint.refresh_from_db()
    assert endpoint.updated_at == before and not AuditEntry.objects.filter(action="endpoint.updated").exists()


def test_what_is_subscribed_survives_an_edit_even_if_it_is_old_or_long(browser_of, dev, acme):
    EventType.objects.create(name="a.b.c", description="Deep", is_deprecated=True)
    endpoint = make(acme, "https://hooks.acme.example/in", "a.b.*", "a.b.c")
    browser = browser_of(dev)
    page = browser.get(at(endpoint, "edit/"))
    assert checked(page, "a.b.*") and checked(page, "a.b.c")
    browser.post(at(endpoint, "edit/"), filled(event_types=["a.b.*", "a.b.c"]))
    endpoint.refresh_from_db()
    assert endpoint.event_types == ["a.b.*", "a.b.c"]


def test_an_edit_asks_who_is_there_before_events_or_stored_headers_go_elsewhere(browser_of, dev, acme):
    endpoint = make(acme, headers={"X-Team": "blue", "Authorization": "s3cret"})
    browser = browser_of(dev, confirmed=False)
    page = browser.get(at(endpoint, "edit/")).content.decode()
    assert "confirm_password" not in page
    same = {"url": endpoint.url, "headers": "X-Team: ••••\r\n Authorization: ••••\r\n\r\n"}
    assert browser.post(at(endpoint, "edit/"), filled(**same, description="calmer")).status_code == 302
    for change in (
        {"url": "https://thief.example/in"},
        {"headers": "X-Team: red\r\nAuthorization: ••••"},
        {"headers": ""},
    ):
        data = filled(**{**same, **change})
        asked = browser.post(at(endpoint, "edit/"), data)
        assert asked.status_code == 422 and 'name="confirm_password"' in asked.content.decode()
        wrong = browser.post(at(endpoint, "edit/"), {**data, "confirm_password": "wrong"})
        assert wrong.status_code == 422
    row = Endpoint.objects.get(pk=endpoint.pk)
    assert (row.url, row.headers, row.description) == (endpoint.url, endpoint.headers, "calmer")
    right = filled(**{**same, "url": "https://elsewhere.example/in", "confirm_password": PASSWORD})
    again = browser.post(at(endpoint, "edit/"), right)
    assert again.status_code == 422 and "Enter each value again" in again.content.decode()
    row.refresh_from_db()
    assert (row.url, row.headers) == (endpoint.url, endpoint.headers)
    right["headers"] = "Authorization: n3w"
    assert browser.post(at(endpoint, "edit/"), right)["Location"] == at(endpoint)
    row.refresh_from_db()
    assert row.url == "https://elsewhere.example/in" and json.loads(row.headers) == {"Authorization": "n3w"}

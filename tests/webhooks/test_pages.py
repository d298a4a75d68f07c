"""In the browser."""

import html
import re

import pytest

from apps.base.actor import system
from apps.webhooks import actions, publishing
from apps.webhooks.models import Delivery, Endpoint

pytestmark = pytest.mark.django_db
HERE = "/o/acme/settings/integration/"


def token_of(page):
    return html.unescape(re.search(r'name="token" value="([^"]+)"', page.content.decode())[1])


def form(page, **values):
    return {"token": token_of(page), "url": "https://hooks.acme.example/in", "all_events": "all", **values}


@pytest.fixture
def endpoint(acme):
    return actions.create_endpoint(actor=system(acme.pk), url="https://hooks.acme.example/in", event_types=["*"])[0]


@pytest.fixture
def delivery(acme, endpoint):
    publishing.publish(organization_id=acme.pk, event_type="order.created", data={"id": "o-1"})
    return Delivery.objects.get()


def test_the_empty_list_invites(browser_of, ada):
    assert "create/" in browser_of(ada).get(HERE + "webhooks/").content.decode()


def test_it_adds_an_endpoint_and_shows_the_secret_once(browser_of, dev, acme):
    browser = browser_of(dev)
    data = form(browser.get(HERE + "webhooks/create/"), headers="X-Team: blue-canary")
    page = browser.post(HERE + "webhooks/create/", data)
    secret = re.search(r"whsec_[A-Za-z0-9+/=]+", page.content.decode())[0]
    assert page["Cache-Control"] == "no-store, private"
    endpoint = Endpoint.objects.get()
    assert endpoint.event_types == ["*"]
    again = browser.post(HERE + "webhooks/create/", data, follow=True)
    assert secret not in again.content.decode() and Endpoint.objects.count() == 1
    for tab in ("deliveries", "verify", "settings"):
        text = browser.get(f"{HERE}webhooks/{endpoint.public_id}/?tab={tab}").content.decode()
        assert secret not in text and "blue-canary" not in text


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"url": "http://127.0.0.1/x"}, ""),
        ({"url": "https://10.0.0.1/x"}, ""),
        ({"url": "https://localhost/x"}, ""),
        ({"url": "https://0x7f.1/x"}, ""),
        ({"all_events": "", "event_types": []}, "Choose at least one event"),
        ({"headers": "Transfer-Encoding: chunked"}, "Transfer-Encoding"),
        ({"headers": "nonsense"}, "Name: value"),
        ({"rate_limit_per_second": "0"}, "1"),
    ],
)
def test_bad_input_keeps_the_form_and_makes_nothing(browser_of, ada, acme, change, says):
    browser = browser_of(ada)
    page = browser.post(HERE + "webhooks/create/", form(browser.get(HERE + "webhooks/create/"), **change))
    assert page.status_code == 422 and says in html.unescape(page.content.decode())
    assert not Endpoint.objects.exists()


def test_a_viewer_reads_and_changes_nothing(browser_of, vera, endpoint, delivery):
    browser = browser_of(vera)
    here = f"{HERE}webhooks/{endpoint.public_id}/"
    for path in (HERE + "webhooks/", here, here + "?part=list", f"{HERE}deliveries/{delivery.public_id}/"):
        assert browser.get(path).status_code == 200
    for path in ("test/", "pause/", "enable/", "delete/", "end-secret/", "send-again/", "replay/", "edit/"):
        assert browser.post(here + path).status_code == 403
    assert browser.post(f"{HERE}deliveries/{delivery.public_id}/retry/").status_code == 403
    endpoint.refresh_from_db()
    assert endpoint.status == "enabled" and Delivery.objects.count() == 1


def test_a_stranger_sees_404(browser_of, zed, endpoint, delivery):
    browser = browser_of(zed)
    for base in (HERE, HERE.replace("acme", "rival")):
        for path in (f"webhooks/{endpoint.public_id}/", f"deliveries/{delivery.public_id}/"):
            assert browser.get(base + path).status_code == 404
        assert browser.post(f"{base}webhooks/{endpoint.public_id}/pause/").status_code == 404


def test_pause_holds_and_enable_sends(browser_of, dev, endpoint, delivery):
    browser = browser_of(dev)
    here = f"{HERE}webhooks/{endpoint.public_id}/"
    browser.post(here + "pause/")
    delivery.refresh_from_db()
    assert delivery.status == "held"
    assert "1 event is held" in browser.get(here).content.decode()
    browser.post(here + "enable/", {"held": "send"})
    delivery.refresh_from_db()
    assert delivery.status == "pending"


def test_a_test_send_leads_to_its_delivery(browser_of, dev, endpoint):
    answer = browser_of(dev).post(f"{HERE}webhooks/{endpoint.public_id}/test/")
    test = Delivery.objects.get(test=True)
    assert answer["Location"] == f"{HERE}webhooks/{endpoint.public_id}/?tab=test&sent={test.public_id}"


def test_the_delivery_shows_request_and_plan(browser_of, ada, delivery):
    page = browser_of(ada).get(f"{HERE}deliveries/{delivery.public_id}/?tab=request").content.decode()
    assert "o-1" in html.unescape(re.sub(r"<[^>]+>", "", page))
    assert delivery.event.public_id in page


def test_filters_and_unknown_values_do_no_harm(browser_of, ada, endpoint, delivery):
    browser = browser_of(ada)
    here = f"{HERE}webhooks/{endpoint.public_id}/"
    assert delivery.event.public_id in browser.get(f"{here}?status=waiting&since=24h").content.decode()
    assert delivery.event.public_id not in browser.get(f"{here}?status=held").content.decode()
    for query in ("cursor=nonsense", "status=x", "tab=x", "event_type=' OR 1"):
        assert browser.get(f"{here}?{query}").status_code == 200
    assert browser.get(f"{here}?q=%00").status_code == 400
    assert browser.get(f"{HERE}deliveries/{delivery.public_id}/?attempt=999999999").status_code == 200


def test_deleting_drops_what_waits(browser_of, dev, endpoint, delivery):
    browser = browser_of(dev)
    path = f"{HERE}webhooks/{endpoint.public_id}/delete/"
    page = browser.get(path)
    assert "1 waiting delivery is dropped" in page.content.decode()
    assert browser.post(path, {"token": token_of(page)}).status_code == 422
    assert browser.post(path, {"token": token_of(page), "confirm": "on"}).status_code == 302
    delivery.refresh_from_db()
    assert delivery.status == "dropped"
    assert browser.get(f"{HERE}webhooks/{endpoint.public_id}/").status_code == 404
    assert browser.get(f"{HERE}deliveries/{delivery.public_id}/").status_code == 200


def test_the_catalogue_is_searched(browser_of, vera, acme):
    browser = browser_of(vera)
    assert "order.created" in browser.get(HERE + "events/").content.decode()
    page = browser.get(HERE + "events/?q=invoice").content.decode()
    assert "invoice.paid" in page and "order.created" not in page
    assert "No event" not in page

"""The event catalogue: types with fields and samples, and subscribing an endpoint."""

import pytest

from apps.audit.models import AuditEntry
from apps.webhooks.models import Delivery, EventType, Subscription
from tests.webhooks.pages import HERE, at, make, text_of

pytestmark = pytest.mark.django_db
PAGE = HERE + "events/"


def test_one_type_is_shown_with_fields_sample_schema_and_code(browser_of, vera, acme):
    browser = browser_of(vera)
    words = text_of(browser.get(f"{PAGE}?type=invoice.paid"))
    amount = "total.amount The amount as a decimal number in a string, so that no digit is lost. string"
    for said in ("An invoice was paid in full.", amount, "invoice_id The invoice's id in the product. string required"):
        assert said in words
    assert '"type" : "invoice.paid"' in words
    assert "additionalProperties" in text_of(browser.get(f"{PAGE}?type=invoice.paid&show=schema"))
    for show in ("python", "node"):
        code = text_of(browser.get(f"{PAGE}?type=invoice.paid&show={show}"))
        assert "handle(event" in code and '"invoice.paid"' in code
    for odd in ("type=nowhere.at_all", "show=x", "q=%25", "type=" + "x" * 500):
        assert browser.get(f"{PAGE}?{odd}").status_code == 200
    assert "Nothing matches" in text_of(browser.get(f"{PAGE}?q=zzzz"))


def test_every_schema_is_shown(browser_of, vera, acme):
    fields = {"x": {"$ref": "#/$defs/a"}, "y": True, "z": {"type": ["string", "null"]}}
    odd = {"$defs": {"a": {"type": "string"}}, "properties": fields}
    EventType.objects.create(name="odd.schema", description="Odd", schema=odd, sample={})
    EventType.objects.create(name="odd.loop", schema={"$ref": "#", "properties": {"a": {"$ref": "#/properties/a"}}})
    browser = browser_of(vera)
    for name in EventType.objects.values_list("name", flat=True):
        assert name in text_of(browser.get(f"{PAGE}?type={name}"))
    words = text_of(browser.get(f"{PAGE}?type=odd.schema"))
    assert "x string" in words and "z string | null" in words


def test_a_deprecated_type_names_its_successor(browser_of, vera, acme):
    EventType.objects.filter(name="order.updated").update(
        is_deprecated=True, deprecated_at="2026-11-01", replaced_by="order.created"
    )
    page = browser_of(vera).get(f"{PAGE}?type=order.updated")
    assert "Old since" in text_of(page) and "Use order.created instead." in text_of(page)
    assert "?type=order.created#event" in page.content.decode()


def test_an_endpoint_is_subscribed_once(browser_of, dev, acme):
    endpoint = make(acme, "https://hooks.acme.example/in", "order.*")
    browser = browser_of(dev)
    assert "by pattern" in text_of(browser.get(f"{PAGE}?type=order.created"))
    for name in ("invoice.paid", "invoice.paid", "order.created"):
        page = browser.post(at(endpoint, "subscribe/"), {"event_type": name}, follow=True)
        assert f"gets {name} from now on." in text_of(page)
    endpoint.refresh_from_db()
    assert endpoint.event_types == ["order.*", "invoice.paid"]
    assert set(Subscription.objects.values_list("pattern", flat=True)) == {"order.*", "invoice.paid"}
    assert AuditEntry.objects.filter(action="endpoint.updated").count() == 1


def test_an_unknown_type_is_refused(browser_of, dev, acme):
    endpoint = make(acme, "https://hooks.acme.example/in", "order.*")
    for name in ("", "nowhere.at_all"):
        assert browser_of(dev).post(at(endpoint, "subscribe/"), {"event_type": name}).status_code == 400
    endpoint.refresh_from_db()
    assert endpoint.event_types == ["order.*"]


def test_an_example_is_sent(browser_of, dev, acme):
    endpoint = make(acme)
    page = browser_of(dev).get(f"{PAGE}?type=license.updated")
    assert f'action="{at(endpoint, "test/")}"' in page.content.decode()
    browser_of(dev).post(at(endpoint, "test/"), {"event_type": "license.updated"})
    assert Delivery.objects.get().event_type == "license.updated"


def test_viewers_see_no_buttons_and_strangers_nothing(browser_of, vera, zed, acme):
    endpoint = make(acme, "https://hooks.acme.example/in", "order.*")
    words = text_of(browser_of(vera).get(f"{PAGE}?type=invoice.paid"))
    assert "Subscribe endpoint" not in words and "Send example" not in words
    assert browser_of(vera).post(at(endpoint, "subscribe/"), {"event_type": "invoice.paid"}).status_code == 403
    assert browser_of(zed).get(PAGE).status_code == 404
    assert "hooks.acme" not in browser_of(zed).get(PAGE.replace("acme", "rival")).content.decode()

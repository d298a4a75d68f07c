"""Details of the endpoint and delivery lists: days, who paused, load errors, pagination."""

from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError
from django.utils import timezone

from apps.base.actor import system
from apps.base.errors import Conflict
from apps.orgs.lookups import organization_pk
from apps.orgs.models import Organization
from apps.webhooks import actions
from apps.webhooks.models import Delivery, Endpoint
from apps.webhooks.view_models.failure_labels import BY_HINT, what_to_try
from apps.webhooks.views import delivery_list, endpoints
from tests.engines import publish
from tests.webhooks.pages import HERE, at, make, text_of, tried

pytestmark = pytest.mark.django_db


def broken(*_args, **_options):
    raise OperationalError("the disk is full")


def test_the_list_has_a_heading_for_each_day(browser_of, vera, acme):
    endpoint = make(acme)
    for _number in range(4):
        publish(acme)
    for delivery, days in zip(Delivery.objects.order_by("-pk"), (0, 0, 1, 40), strict=True):
        Delivery.objects.filter(pk=delivery.pk).update(created_at=timezone.now() - timedelta(days=days))
    page = browser_of(vera).get(at(endpoint))
    words = page.content.decode()
    date = (timezone.localdate() - timedelta(days=40)).strftime("%Y")
    assert words.count('scope="rowgroup"') == 3
    assert words.index(">Today<") < words.index(">Yesterday<") < words.index(f"{date}</th>")


def test_a_paused_endpoint_says_who_paused_it_until_it_is_enabled(browser_of, dev, acme):
    endpoint = make(acme)
    browser = browser_of(dev)
    browser.post(at(endpoint, "pause/"))
    assert f"{dev.name} paused it" in text_of(browser.get(at(endpoint))) or f"{dev.email} paused it" in text_of(
        browser.get(at(endpoint))
    )
    browser.post(at(endpoint, "enable/"), {"held": "send"})
    assert "paused it" not in text_of(browser.get(at(endpoint)))
    endpoint.refresh_from_db()
    assert (endpoint.paused_by, endpoint.paused_at) == ("", None)


@pytest.mark.parametrize("query", ["", "?part=list&status=failed"])
def test_deliveries_that_cannot_be_loaded_say_so_and_offer_to_try_again(browser_of, vera, acme, monkeypatch, query):
    endpoint = make(acme)
    monkeypatch.setattr(delivery_list.view_models, "delivery_rows", broken)
    page = browser_of(vera).get(at(endpoint, query))
    words = page.content.decode()
    assert page.status_code == 503 and "The deliveries could not be loaded." in words
    assert page.headers["X-Request-ID"] in words and "disk" not in words
    again = at(endpoint, "?status=failed" if query else "?")
    assert f'href="{again}"' in words and ("<h1>" in words) == (not query)
    assert page.headers.get("X-Part") == ("list" if query else None)


def test_endpoints_that_cannot_be_loaded_say_so(browser_of, vera, acme, monkeypatch):
    monkeypatch.setattr(endpoints.view_models, "endpoint_rows", broken)
    page = browser_of(vera).get(f"{HERE}webhooks/")
    assert page.status_code == 503 and "The endpoints could not be loaded." in page.content.decode()
    assert page.headers["X-Request-ID"] in page.content.decode()


def test_more_endpoints_than_a_page_are_paged(browser_of, vera, acme, monkeypatch):
    monkeypatch.setattr(endpoints, "PER_PAGE", 2)
    made = [make(acme, f"https://h{number}.acme.example/in") for number in range(5)]
    browser = browser_of(vera)
    shown = [browser.get(f"{HERE}webhooks/?page={number}").context["endpoints"] for number in (1, 2, 3)]
    assert [row["id"] for page in shown for row in page] == [each.public_id for each in reversed(made)]
    assert "5 endpoints" in text_of(browser.get(f"{HERE}webhooks/"))


def test_an_answer_without_end_is_explained(browser_of, vera, acme):
    make(acme)
    publish(acme)
    delivery = Delivery.objects.get()
    tried(delivery, error="bad_response", status_code=200, hint="endless_response")
    page = browser_of(vera).get(f"{HERE}deliveries/{delivery.public_id}/")
    assert "The answer did not stop" in text_of(page)
    assert [hint for hint in BY_HINT if not what_to_try("bad_response", None, hint)] == []
    assert what_to_try("", 200, "") == ""


def test_the_platform_has_no_endpoints():
    Organization.objects.get_or_create(slug="platform", defaults={"name": "Platform"})
    with pytest.raises(CommandError, match="customer's organization"):
        call_command("create_endpoint", org="platform", url="https://hooks.example.com/in")
    with pytest.raises(Conflict):
        actions.create_endpoint(
            actor=system(organization_pk("platform")), url="https://hooks.example.com/in", event_types=["*"]
        )
    assert not Endpoint.objects.exists()

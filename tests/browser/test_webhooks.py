"""The webhook pages in a real browser: polling, filtering, and accessibility of every page."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.utils import timezone

from apps.base.actor import system
from apps.webhooks import actions
from apps.webhooks.engine import endpoint_health
from apps.webhooks.models import Delivery, Endpoint, ReplayJob
from tests.engines import publish
from tests.webhooks.pages import HERE, at, make, set_state, tried

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
LONG = "https://hooks-with-a-rather-long-name.acme.example/a/path/that/goes/on?and=on"
ODD = "<b onclick=x>odd</b>"


def broken_rules(page):
    """Return the violations of WCAG 2.2 level AA that axe finds."""
    found = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]})
    return [(each["id"], each["nodes"][0]["html"]) for each in found.response["violations"]]


def arrive(delivery):
    tried(
        delivery, status_code=200, error="", timings_ms={"connect": 1, "first_byte": 2, "total": 4}, response_body=ODD
    )
    set_state(delivery, status="succeeded", last_status_code=200, attempt_count=1, next_attempt_at=None)


def test_a_test_is_followed_without_a_reload(signed_in, dev, acme):
    page, endpoint = signed_in(dev), make(acme)
    page.goto(at(endpoint, "?tab=test"))
    page.click("section .btn-p")
    page.wait_for_selector("text=Waiting for a worker")
    arrive(Delivery.objects.get())
    page.wait_for_selector("text=It arrived.")
    assert page.complaints == []


def test_the_list_does_not_refresh_under_a_selection(signed_in, dev, acme):
    page, endpoint = signed_in(dev), make(acme)
    publish(acme)
    page.goto(at(endpoint))
    page.evaluate("document.querySelector('[data-poll]').dataset.every")
    page.check("tbody input[type=checkbox]")
    page.evaluate("document.activeElement.blur()")
    page.wait_for_timeout(5500)
    assert page.is_checked("tbody input[type=checkbox]")
    page.uncheck("tbody input[type=checkbox]")
    page.evaluate("document.activeElement.blur()")
    arrive(Delivery.objects.get())
    page.wait_for_selector("tbody .badge:has-text('Delivered')")


def test_the_events_are_sifted_and_counted_as_one_types(signed_in, dev, acme):
    page = signed_in(dev)
    page.goto(HERE + "webhooks/create/")
    page.fill("[data-sift]", "invoice")
    lines = page.locator(".events .line:visible")
    assert lines.count() == 1
    page.check("input[value='invoice.paid']")
    assert lines.first.locator(".what").inner_text().split() == ["invoice", "1", "of", "2"]
    page.press("[data-sift]", "Enter")  # sends nothing
    page.fill("[data-sift]", "license")
    assert page.locator("input[value='invoice.paid']").is_visible()  # selected types stay visible
    page.check("#events-all")
    assert page.locator(".events").is_hidden()


def test_an_endpoint_is_added_changed_and_tested_without_script(signed_in, dev, acme):
    page = signed_in(dev, java_script_enabled=False)
    page.goto(HERE + "webhooks/create/")
    page.fill("[name=url]", "https://hooks.acme.example/in")
    page.fill("[name=q]", "invoice")
    page.click("[name=find]")
    page.check("input[value='invoice.*']")
    page.press("[name=description]", "Enter")  # saves, and does not press Check
    assert page.locator("#secret").inner_text().startswith("whsec_")
    endpoint = Endpoint.objects.get()
    page.goto(at(endpoint, "?tab=test"))
    page.click("section .btn-p")
    arrive(Delivery.objects.get())
    page.click("text=Refresh")
    assert "It arrived." in page.content()
    page.goto(HERE + "events/?type=order.created")
    page.click("summary:has-text('Subscribe endpoint')")
    page.click(".menu button:has-text('hooks.acme.example/in')")
    endpoint.refresh_from_db()
    assert endpoint.event_types == ["invoice.*", "order.created"]


@pytest.fixture
def everything(acme):
    """Create an endpoint in each state, a delivery of each kind and a replay, and return the paths of their pages."""
    maker = system(acme.pk)
    endpoint = make(acme, LONG, description=ODD, headers={"X-Team": "blue"}, rate_limit_per_second=5)
    actions.rotate_secret(actor=maker, endpoint_id=endpoint.public_id)
    failing, off, paused = (make(acme, f"{LONG}&n={number}", "order.*") for number in range(3))
    inbox = actions.open_inbox(actor=maker)
    publish(acme)
    good, bad = Delivery.objects.get(endpoint=endpoint), Delivery.objects.get(endpoint=failing)
    arrive(good)
    for number in (1, 2):
        tried(bad, number, response_body=ODD, request_headers={"webhook-id": "x" * 60})
    set_state(bad, attempt_count=2, last_error="http_error", last_status_code=503, next_attempt_reason="retry")
    arrive(Delivery.objects.get(endpoint=inbox))
    Endpoint.objects.filter(pk__in=[failing.pk, off.pk]).update(
        health="failing", failures_in_a_row=12, failing_since=timezone.now()
    )
    endpoint_health.disable(off.pk, "gone")
    actions.pause_endpoint(actor=maker, endpoint_id=paused.public_id)
    job = actions.start_replay(
        actor=maker,
        endpoint_id=endpoint.public_id,
        selection=actions.replay_selection(["succeeded"]),
        rate_per_second=3,
    )
    assert ReplayJob.objects.count() == 1
    tabs = [f"?tab={tab}" for tab in ("deliveries", "verify", "test", "settings")]
    forms = ["edit/", "rotate-secret/", "replay/", "delete/", "?q=nothing", "?tab=verify&lang=java"]
    pages = [at(endpoint, rest) for rest in (*tabs, *forms)] + [at(each) for each in (failing, off, paused)]
    for each in (good, bad):
        pages += [f"{HERE}deliveries/{each.public_id}/?tab={tab}" for tab in ("response", "request", "verify")]
    more = ["webhooks/", "webhooks/create/", "webhooks/inbox/", f"replays/{job.public_id}/"]
    more += ["events/", "events/?type=invoice.paid&show=schema", "events/?q=zzz"]
    return [*pages, *(HERE + each for each in more)]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_keeps_the_policy_and_suits_a_phone_and_everybody(signed_in, ada, everything, scheme):
    page = signed_in(ada, viewport={"width": 320, "height": 640}, color_scheme=scheme)
    found = {}
    for path in everything:
        assert page.goto(path).status == 200, path
        wide = page.evaluate("document.documentElement.scrollWidth")
        if wide > 320 or (rules := broken_rules(page)):
            found[path] = wide if wide > 320 else rules
    assert found == {} and page.complaints == []


def test_french_fits_too(signed_in, ada, everything):
    page = signed_in(ada, viewport={"width": 320, "height": 640}, locale="fr-FR")
    wide = []
    for path in everything:
        page.goto(path)
        wide += [path] if page.evaluate("document.documentElement.scrollWidth") > 320 else []
    assert wide == []

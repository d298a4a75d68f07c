"""The operators' pages in a real browser: nothing that the policy refuses, no error of a script, in both looks."""

import os
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe

from apps.api_keys.models import KeyType, Scope
from apps.orgs.models import Organization
from apps.webhooks.models import EventType
from tests.conventions.conftest import operator, samples, working_operator  # noqa: F401

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
SHOTS = os.environ.get("PORTAL_SCREENSHOTS", "")


def shoot(page, name):
    """Keep a picture where somebody asked for them."""
    if SHOTS:
        page.screenshot(path=Path(SHOTS) / f"{name}.png", full_page=True)


def reports(page):
    """Collect what the policy refuses, which not every violation says on the console."""
    page.add_init_script(
        "window.refused = []; document.addEventListener('securitypolicyviolation',"
        " (event) => window.refused.push(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}`))"
    )


def check(page, where):
    assert page.evaluate("window.refused") == [], where
    assert page.complaints == [], where
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide <= 0 or page.viewport_size["width"] > 400, (where, wide)


def cut_off(page):
    """Name what can be typed into or clicked and ends to the right of the window or of the card that clips it."""
    return page.evaluate("""() => {
      const right = (each) => each.getBoundingClientRect().right;
      return [...document.querySelectorAll("#header :is(a, button), #content-main :is(input, textarea, select, label)")]
        .filter((each) => each.offsetParent && each.type !== "hidden" && !each.closest(".results"))
        .filter((each) => right(each) > (each.closest(".module") ? right(each.closest(".module")) : innerWidth) + 1)
        .map((each) => each.outerHTML.slice(0, 120));
    }""")


def broken_rules(page):
    """What axe finds against WCAG 2.2 AA in what is ours of a page: the words and colours, not Django's markup."""
    rules = ["color-contrast", "label", "link-name", "button-name", "document-title"]
    found = Axe().run(page, options={"runOnly": {"type": "rule", "values": rules}})
    return [(each["id"], each["nodes"][0]["html"]) for each in found.response["violations"]]


@pytest.mark.parametrize(
    "look",
    [{"color_scheme": "dark"}, {"color_scheme": "light", "viewport": {"width": 390, "height": 844}}],
    ids=["dark", "phone"],
)
def test_no_page_breaks_the_policy_or_a_script(signed_in, working_operator, samples, acme, look, request):  # noqa: F811
    Scope.objects.create(name="trips:read", description="See trips")
    page = signed_in(working_operator, **look)
    reports(page)
    shot = request.node.callspec.id
    kind, event_type = KeyType.objects.get(name="partner"), EventType.objects.get(name="order.created")
    pages = {
        "index": "/admin/",
        "jobs": "/admin/jobs/",
        "list": "/admin/webhooks/delivery/?status__exact=exhausted",
        "search": "/admin/orgs/organization/?q=acme",
        "organization": f"/admin/orgs/organization/{acme.pk}/change/",
        "look": f"/admin/orgs/organization/{acme.pk}/look/",
        "read": f"/admin/api_keys/apikey/{samples.rows['key'].pk}/change/",
        "form": f"/admin/api_keys/keytype/{kind.pk}/change/",
        "event-type": f"/admin/webhooks/eventtype/{event_type.pk}/change/",
        "find": "/admin/find/",
        "event": f"/admin/webhooks/event/{samples.rows['event'].pk}/change/",
        "delivery": f"/admin/webhooks/delivery/{samples.rows['delivery'].pk}/change/",
        "history": f"/admin/api_keys/apikey/{samples.rows['key'].pk}/history/",
        "delete": f"/admin/api_keys/scope/{Scope.objects.get(name='trips:read').pk}/delete/",
    }
    for name, path in pages.items():
        page.goto(path)
        shoot(page, f"{shot}-{name}")
        check(page, name)
        assert cut_off(page) == [], name
        assert page.locator("#logout-form button").is_visible(), name
        assert page.evaluate(
            "document.querySelector('#header').scrollHeight <= document.querySelector('#header').offsetHeight"
        )
        assert broken_rules(page) == [], name
    # The calendar and the clock of a date.
    page.goto(pages["event-type"])
    if page.locator(".datetimeshortcuts a").count():
        page.locator(".datetimeshortcuts a").last.click()
        shoot(page, f"{shot}-calendar")
        check(page, "calendar")
    # A select that is filled as one types.
    page.goto("/admin/api_keys/package/add/")
    page.locator(".select2-selection").click()
    page.keyboard.type("acm")
    page.locator(".select2-results__option", has_text="Acme Travel").click()
    shoot(page, f"{shot}-autocomplete")
    check(page, "autocomplete")
    page.click("input[name=_save]")
    page.wait_for_url("**/admin/api_keys/package/")
    check(page, "saved")
    if "viewport" not in look:
        page.locator(".theme-toggle").first.click()
        check(page, "theme")


def test_an_operator_looks_at_a_customers_pages_and_ends_it(signed_in, working_operator, samples, acme):  # noqa: F811
    page = signed_in(working_operator, viewport={"width": 390, "height": 844})
    reports(page)
    page.goto(f"/admin/orgs/organization/{acme.pk}/change/")
    page.click("text=Look at its pages")
    page.fill("[name=reason]", "Ticket 4711")
    page.click("text=Begin to look")
    page.wait_for_url("**/o/acme/settings/integration/")
    for path in ("", "api-keys/", "webhooks/", "audit/", f"webhooks/{samples.rows['endpoint'].public_id}/"):
        page.goto(f"/o/acme/settings/integration/{path}")
        assert page.locator(".looking").is_visible()
        shoot(page, f"looking-{path.strip('/').replace('/', '-') or 'overview'}")
        check(page, path)
    page.click(".looking button")
    page.wait_for_url("**/admin/orgs/organization/*/change/")
    assert page.goto("/o/acme/settings/integration/").status == 404
    assert Organization.objects.get(pk=acme.pk).name == "Acme Travel"

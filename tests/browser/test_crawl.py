"""Every page in a real browser: no report of the content security policy, no error of a script, no rule of WCAG 2.2 A
or AA broken in light, dark and on a phone, no sideways scrolling, and nothing of what somebody typed comes to life.

One load a page: the looks are changed under it. Roles, languages and links: ``tests/conventions/test_every_page.py``.
"""

import json
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from axe_playwright_python.sync_playwright import Axe

from apps.orgs.models import User
from tests.browser.payloads import seed
from tests.conventions.conftest import operator, samples  # noqa: F401
from tests.crawl import linked, pages

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

AXE = Axe().axe_script
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
WATCH = """
window.reports = [];
document.addEventListener('securitypolicyviolation',
    (e) => reports.push(`${e.effectiveDirective} ${e.blockedURI} ${e.sample}`));
window.ran = [];
"""
LOOK = """
async (rules) => (await axe.run(document, {runOnly: rules})).violations.map(
    (v) => `${v.id}: ${v.nodes.map((n) => n.html).slice(0, 2).join(' … ')}`)
"""
WIDTH = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
# Dark changes colours alone; a phone changes what is there and how large it is: one look at both.
DARK_PHONE = {"type": "rule", "values": ["color-contrast", "link-in-text-block", "target-size",
                                         "scrollable-region-focusable", "aria-hidden-focus"]}  # fmt: skip
DESK, PHONE, NARROW = {"width": 1280, "height": 900}, {"width": 360, "height": 740}, {"width": 320, "height": 640}


@pytest.fixture
def walker(signed_in: Any) -> Any:
    """Opens a window of somebody that keeps what the policy reports."""

    def open_window(user: Any) -> Any:
        Authenticator.objects.filter(user=user, type=Authenticator.Type.WEBAUTHN).delete()  # a sample without a device
        window = signed_in(user, viewport=DESK, reduced_motion="reduce")
        window.add_init_script(WATCH)
        return window

    return open_window


def visit(page: Any, path: str) -> list[str]:
    """Open a path and return what is wrong with it as far as scripts and the policy go."""
    page.complaints.clear()
    page.goto(path, wait_until="domcontentloaded")
    return [*page.complaints, *page.evaluate("reports"), *page.evaluate("ran")]


def looks(page: Any) -> list[str]:
    """Return what is wrong with the page that is open in each of its looks."""
    page.evaluate(AXE)
    found = [f"light {each}" for each in page.evaluate(LOOK, {"type": "tag", "values": RULES})]
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size(PHONE)
    found += [f"dark, phone {each}" for each in page.evaluate(LOOK, DARK_PHONE)]
    page.set_viewport_size(NARROW)
    found += ["scrolls sideways at 320 px"] * (page.evaluate(WIDTH) > 0)
    page.emulate_media(color_scheme="light")
    page.set_viewport_size(DESK)
    return found


def check(page: Any, paths: Any, with_looks: bool = True) -> dict[str, list[str]]:
    wrong = {}
    looked_at = set()
    for path in paths:
        found = visit(page, path)
        if with_looks and page.url not in looked_at:  # several paths lead to one page
            looked_at.add(page.url)
            found += looks(page)
        if found:
            wrong[path] = found
    return wrong


def told(wrong: dict[str, list[str]]) -> str:
    return json.dumps(wrong, indent=1, ensure_ascii=False)


def test_every_page_of_an_owner_in_every_look(walker, ada, samples, browser_of):  # noqa: F811
    page = walker(ada)
    paths = [path for _route, path in pages(samples, "page", "account", "other")]
    browser = browser_of(ada)
    links = linked({path: browser.get(path).content.decode() for path in paths if path.startswith("/o/")})
    wrong = check(page, paths) | check(page, links, with_looks=False)
    assert not wrong, told(wrong)


def test_the_browsable_api(walker, ada, samples):  # noqa: F811
    endpoint, user = samples.rows["endpoint"].public_id, samples.rows["user"].public_id
    paths = ["/v1/?organization=acme", "/v1/api-keys?limit=1", f"/v1/webhook-endpoints/{endpoint}"]
    page, wrong = walker(ada), {}
    for path in paths:
        found = visit(page, path)
        page.evaluate("document.querySelectorAll('#main details').forEach((each) => { each.open = true; })")
        wrong |= {path: found} if (found := [*found, *looks(page)]) else {}
    # One whose form is wrong, then right.
    visit(page, f"/v1/users/{user}")
    page.click("details:has(> #updateUser) > summary")
    page.fill("#f-updateUser-email", "nobody")
    page.click("#updateUser form >> nth=0 >> button")
    assert page.input_value("#f-updateUser-email") == "nobody"
    page.fill("#f-updateUser-email", "vera.two@acme.example")
    page.click("#updateUser form >> nth=0 >> button")
    assert "200 OK" in page.inner_text("#main") and User.objects.filter(email="vera.two@acme.example").exists()
    assert not wrong, told(wrong)


def test_what_others_see_instead(walker, vera, samples, signed_in):  # noqa: F811
    wrong = check(walker(vera), [path for _route, path in pages(samples, "page")], with_looks=False)
    wrong |= check(walker(vera), ["/o/acme/settings/integration/", "/o/acme/settings/integration/api-keys/create/"])
    assert not wrong, told(wrong)


def test_pages_for_visitors_keep_the_policy(chromium, live_server, samples):  # noqa: F811
    context = chromium.new_context(base_url=live_server.url, viewport=DESK, reduced_motion="reduce")
    page = context.new_page()
    page.complaints = []
    page.add_init_script(WATCH)
    page.on("console", lambda message: page.complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    wrong = check(page, ["/account/login/", "/account/password/reset/", "/account/password/reset/done/", "/docs/"])
    context.close()
    assert not wrong, told(wrong)


def test_the_operators_admin_keeps_the_policy(walker, operator, samples):  # noqa: F811
    Authenticator.objects.create(user=operator, type=Authenticator.Type.TOTP, data={"secret": "JBSWY3DPEHPK3PXP"})
    paths = [path for route, path in pages(samples, "admin") if not route.objects]
    wrong = check(walker(operator), paths, with_looks=False)
    assert not wrong, told(wrong)


def test_stored_markup_never_runs(walker, ada, samples, browser_of):  # noqa: F811
    paths = [path for _route, path in pages(samples, "page")]
    count = seed(samples)
    browser = browser_of(ada)
    paths += list(linked({path: browser.get(path).content.decode() for path in paths}))
    page, wrong, shown = walker(ada), {}, 0
    for path in paths:
        found = visit(page, path)
        found += page.evaluate("[...document.querySelectorAll('[data-canary]')].map((n) => n.outerHTML)")
        found += page.evaluate("[...document.querySelectorAll('[href^=\"javascript:\" i]')].map((n) => n.outerHTML)")
        shown += "data-canary" in page.inner_text("body")
        if found:
            wrong[path] = found
    assert not wrong, told(wrong)
    assert count > 25 and shown > 40, (count, shown)  # else the walk proves nothing

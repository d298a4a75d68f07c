"""Swagger UI on /docs/: from our own files, under the CSP, with a key that ends with the page."""

import pytest
from axe_playwright_python.sync_playwright import Axe

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
LEVEL_AA = {"runOnly": ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa"]}
LOUD = ("error", "warning")
ME = "#operations-Account-getMe"


@pytest.fixture
def open_reference(chromium, live_server, settings):
    """Opens the page; ``complaints``: what the browser refuses, fails to load or reports."""
    settings.PUBLIC_URL = live_server.url
    contexts = []

    def open_page(**options):
        contexts.append(chromium.new_context(base_url=live_server.url, **options))
        page = contexts[-1].new_page()
        page.set_default_timeout(15_000)
        page.complaints = []
        page.on(
            "console", lambda told: page.complaints.append(told.text) if told.type in ("error", "warning") else None
        )
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.goto("/docs/")
        page.wait_for_selector(".opblock-tag")
        return page

    yield open_page
    for context in contexts:
        context.close()


def authorize(page, key):
    page.click(".scheme-container button.authorize")
    page.fill("#auth-bearer-value", key.text)
    page.locator(".auth-container").first.locator("button.authorize").click()
    page.click("button.btn-done")


def call_me(page):
    page.click("#operations-tag-Account")
    page.click(f"{ME} .opblock-summary-control")
    page.click(f"{ME} .try-out__btn")
    page.click(f"{ME} .execute")
    return page.locator(f"{ME} .live-responses-table .response-col_status").last.inner_text()


def test_an_operation_is_tried_with_a_key_that_ends_with_the_page(open_reference, acme_key) -> None:
    page = open_reference()
    authorize(page, acme_key)
    assert "200" in call_me(page)
    assert acme_key.row.public_id in page.locator(f"{ME} .live-responses-table").inner_text()
    assert page.complaints == []
    kept = page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])")
    assert acme_key.text not in kept
    page.goto("about:blank")
    page.goto("/docs/")
    page.wait_for_selector(".opblock-tag")
    assert "401" in call_me(page)


@pytest.mark.parametrize(
    "options", [{"color_scheme": "light"}, {"color_scheme": "dark"}, {"viewport": {"width": 390, "height": 844}}]
)
def test_everybody_can_read_and_use_it(open_reference, options) -> None:
    page = open_reference(**options)
    assert page.locator(".opblock-tag").count() >= 10
    page.click("#operations-tag-Users")
    page.click("#operations-Users-createUser .opblock-summary-control")
    page.wait_for_selector("#operations-Users-createUser .responses-table")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.complaints == []
    page.evaluate("scrollTo(0, 0)")  # what lies under a bar that stays is no smaller for it
    wrong = Axe().run(page, options=LEVEL_AA).response["violations"]
    assert [(each["id"], [node["target"] for node in each["nodes"]][:3]) for each in wrong] == []

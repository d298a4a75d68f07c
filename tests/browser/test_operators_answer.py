"""Four questions of customers, from the operators' first page to the answer in three clicks at most."""

import os
from pathlib import Path

import pytest

from tests.conventions.conftest import operator, working_operator  # noqa: F401
from tests.conventions.incidents import ADDRESS, REQUEST_ID, stage

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
SHOTS = os.environ.get("PORTAL_SCREENSHOTS", "")
MOST_CLICKS = 3


class Walk:
    """A way through the pages that counts its clicks and typed texts."""

    def __init__(self, page, name):
        self.page, self.name, self.clicks, self.shots = page, name, 0, 0
        page.goto("/admin/")
        self.shoot()

    def find(self, text):
        """Type into the field, which has the focus, and click on the button."""
        self.page.keyboard.type(text)
        self._click(self.page.locator(".find input[type=submit]"))

    def follow(self, text):
        """Click on a link."""
        self._click(self.page.locator("#content a", has_text=text).first)

    def _click(self, what):
        with self.page.expect_navigation():
            what.click()
        self.clicks += 1
        self.shoot()

    def shoot(self):
        """Keep a picture where somebody asked for them."""
        if SHOTS:
            self.page.screenshot(path=Path(SHOTS) / f"{self.name}-{self.clicks}.png", full_page=True)

    def answers(self, *sentences):
        """Compare what is on the page, and how far the way was."""
        shown = self.page.locator("#content").inner_text()
        for sentence in sentences:
            assert sentence in shown, shown
        assert 1 <= self.clicks <= MOST_CLICKS
        assert self.page.complaints == []


@pytest.mark.parametrize("look", ["light", "dark"])
def test_three_clicks_lead_from_a_question_to_its_answer(signed_in, working_operator, acme, acme_key, look):  # noqa: F811
    told = stage(acme, acme_key.row)
    page = signed_in(working_operator, color_scheme=look, viewport={"width": 1280, "height": 800})

    webhook = Walk(page, f"webhook-{look}")
    webhook.find(told.event.public_id)
    assert "crm.acme.example" in page.locator("#content").inner_text()
    webhook.follow(told.delivery.public_id)
    webhook.answers("Failed permanently", "certificate has expired", "203.0.113.80")

    by_customer = Walk(page, f"webhook-of-customer-{look}")
    by_customer.find("acme")
    by_customer.follow("https://hooks.acme.example/orders")
    by_customer.follow(told.delivery.public_id)
    by_customer.answers("Failed permanently", "certificate has expired")

    key = Walk(page, f"key-{look}")
    key.find(told.key.mask)
    key.answers("revoked_api_key", "Found in a public repository", "203.0.113.7", "Last refused requests")

    request = Walk(page, f"request-{look}")
    request.find(REQUEST_ID)
    request.answers("Answered with 401 revoked_api_key", "/v1/users")
    request.follow(told.key.name)
    request.answers("Found in a public repository")

    mail = Walk(page, f"mail-{look}")
    mail.find(ADDRESS)
    mail.follow(str(told.mail.created_at.year))
    mail.answers("Failed permanently", "No such user here")

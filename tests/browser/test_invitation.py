"""From the form that invites to the page of the new member, in a real browser."""

import pytest

from apps.orgs.models import Membership
from tests.orgs.mailbox import newest_link

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
MEMBERS = "/o/acme/settings/organization/members/"


def test_somebody_is_invited_and_joins(signed_in, chromium, live_server, ada):
    page = signed_in(ada)
    page.goto(MEMBERS)
    page.click("text=Invite")
    page.fill("[name=email]", "jo@example.com")
    page.get_by_role("radio", name="Developer").check(force=True)
    page.click("text=Send invitation")
    page.wait_for_url(f"**{MEMBERS}")
    assert page.locator("td b", has_text="jo@example.com").count() == 1 and page.complaints == []
    guest = chromium.new_context(base_url=live_server.url).new_page()
    guest.goto(newest_link("jo@example.com"))
    assert guest.url.endswith("/invitation/")
    guest.fill("[name=name]", "Jo Doe")
    guest.fill("[name=password]", "a staple nobody knows")
    guest.click("button:text('Join')")
    guest.wait_for_url("**/o/acme/settings/integration/")
    assert Membership.objects.get(user__email="jo@example.com").role == "developer"
    guest.context.close()

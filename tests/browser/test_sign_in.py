"""The second step and a passkey in a real browser, with a key made of software by Chromium itself."""

import pytest
from allauth.mfa.models import Authenticator

from tests.authenticators import code_now
from tests.conftest import PASSWORD

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
KEY = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
       "isUserVerified": True, "automaticPresenceSimulation": True}  # fmt: skip


def test_the_app_and_a_passkey_are_set_up_and_open_the_account(signed_in, ada, live_server, settings):
    settings.PUBLIC_URL = live_server.url
    page = signed_in(ada)
    device = page.context.new_cdp_session(page)
    device.send("WebAuthn.enable")
    device.send("WebAuthn.addVirtualAuthenticator", {"options": KEY})
    page.goto("/account/2fa/totp/activate/")
    page.fill("[name=code]", code_now(page.inner_text("#totp-secret")))
    page.click("main button:has-text('Turn on')")
    assert len(page.inner_text("#codes").split()) == 10
    page.goto("/account/2fa/webauthn/add/")
    page.fill("[name=name]", "Laptop")
    page.click("#passkey_add")
    page.wait_for_url("**/account/2fa/webauthn/")
    assert "Laptop" in page.inner_text("main")
    page.goto("/account/sessions/")
    page.click("button:has-text('Sign out everywhere') >> nth=-1")
    page.wait_for_url("**/account/login/")
    page.click("#passkey_login")
    page.wait_for_url("**/o/acme/settings/integration/")
    assert Authenticator.objects.filter(user=ada, type="webauthn").exclude(last_used_at=None).exists()
    page.goto("/account/sessions/")
    page.click("button:has-text('Sign out everywhere') >> nth=-1")
    page.fill("[name=login]", ada.email)
    page.fill("[name=password]", PASSWORD)
    page.click("main button.btn-p")
    page.wait_for_url("**/account/2fa/authenticate/")
    page.click("#mfa_webauthn_authenticate")
    page.wait_for_url("**/o/acme/settings/integration/")
    assert page.complaints == []


@pytest.mark.parametrize("email", ["mia@bücher.example", "mia@straße.example"])
def test_an_international_domain_is_sent_as_it_was_typed(chromium, live_server, settings, person, acme, email):
    """In an input for addresses Chromium makes punycode of the one, and another domain of the other."""
    settings.PUBLIC_URL = live_server.url
    mia = person("Mia", acme)
    type(mia).objects.filter(pk=mia.pk).update(email=email)
    context = chromium.new_context(base_url=live_server.url)
    page = context.new_page()
    page.goto("/account/login/")
    page.fill("[name=login]", email)
    page.fill("[name=password]", PASSWORD)
    page.click("main button.btn-p")
    page.wait_for_url("**/o/acme/settings/integration/")
    context.close()

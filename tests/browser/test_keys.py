"""Keys in a real browser: the reveal and what is left of it, without script, and under the content security policy."""

from contextlib import suppress
from functools import partial

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Error

from apps.api_keys import actions
from apps.api_keys.models import ApiKey
from apps.base.actor import system

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
KEYS = "/o/acme/settings/integration/api-keys/"
PARTNER = KEYS + "create/?type=partner"


def make(page, name="Nightly export"):
    """Fill in and send the second step; return the text of the key that the page then shows."""
    page.goto(PARTNER)
    page.fill("[name=name]", name)
    page.check("[name=access_orders][value='orders:read']", force=True)
    page.click("form.card .btn-p")
    return page.locator("#secret").inner_text()


def broken_rules(page):
    """What axe finds against WCAG 2.2 at level AA."""
    found = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]})
    return [(each["id"], each["nodes"][0]["html"]) for each in found.response["violations"]]


def close_button(page):
    return page.locator("[data-gate]")


def is_shut(page):
    return close_button(page).get_attribute("aria-disabled") == "true"


def test_copying_the_key_unlocks_closing_the_page(signed_in, ada):
    page = signed_in(ada, permissions=["clipboard-read", "clipboard-write"])
    text = make(page)
    assert close_button(page).inner_text() == "Copy and close"
    page.click("[data-copy='#secret']")
    page.wait_for_function("document.querySelector('#live').textContent === 'Copied'")
    assert page.evaluate("navigator.clipboard.readText()") == text
    close_button(page).click()
    page.wait_for_url(f"**{KEYS}key_*/")
    assert text not in page.content() and page.complaints == []


def test_without_clipboard_access_the_checkbox_unlocks_closing_the_page(signed_in, ada):
    page = signed_in(ada)
    page.add_init_script("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    text = make(page)
    assert close_button(page).inner_text() == "Close" and is_shut(page)
    close_button(page).click(force=True)
    assert page.locator("#secret").count() == 1  # still here
    page.click("[data-copy='#secret']")
    assert page.evaluate("getSelection().toString()") == text and is_shut(page)
    page.check("#saved")
    assert not is_shut(page)
    close_button(page).click()
    page.wait_for_url(f"**{KEYS}key_*/")


def test_a_reload_shows_no_second_key(signed_in, ada):
    page = signed_in(ada)
    text = make(page)
    page.reload()
    assert "This key was already shown" in page.content() and text not in page.content()
    assert ApiKey.objects.count() == 1 and page.get_by_role("link", name="Rotate it").count() == 1


def test_the_back_button_does_not_show_the_key_again(signed_in, ada):
    page = signed_in(ada)
    text = make(page)
    page.goto(KEYS)
    with suppress(Error):  # Chromium asks before it sends a form again, which ends the navigation here
        page.go_back(wait_until="commit")
    page.wait_for_timeout(500)
    assert text not in page.content()
    assert ApiKey.objects.count() == 1


def test_the_key_is_cleared_when_the_page_is_left(signed_in, ada):
    page = signed_in(ada)
    text = make(page)
    page.evaluate("window.dispatchEvent(new PageTransitionEvent('pagehide', { persisted: true }))")
    assert text not in page.content() and page.locator("#secret").inner_text() == ""


def test_focus_goes_to_the_heading_then_to_the_key(signed_in, ada):
    page = signed_in(ada)
    make(page)
    assert page.evaluate("document.activeElement.id") == "reveal-title"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "secret"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.dataset.copy") == "#secret"


def test_a_key_is_made_without_script(signed_in, ada):
    page = signed_in(ada, java_script_enabled=False)
    page.goto(KEYS + "create/")
    page.check("[name=type][value=client]")
    page.click("form.card .btn-p")
    page.fill("[name=name]", "Plain")
    page.fill("[name=subject]", "C-1")
    page.locator("[name=access_orders][value='orders:write']").check(force=True)
    page.select_option("[name=expires]", "custom")
    page.fill("[name=custom_days]", "12")
    page.click("form.card .btn-p")
    assert page.locator("#secret").inner_text().startswith("ipk_") and page.locator("#saved").is_hidden()
    page.get_by_role("link", name="Close").click()
    assert ApiKey.objects.get().scopes == ["orders:write"] and "Plain" in page.content()


def test_the_grid_gives_way_to_all_at_once(signed_in, ada):
    page = signed_in(ada)
    page.goto(KEYS + "create/?type=internal")
    grid = page.locator(".when-each")
    assert grid.is_visible()
    page.check("[name=access][value=admin]")
    assert grid.is_hidden() and page.locator(".when-admin").is_visible()


def test_the_day_that_a_number_of_days_leads_to(signed_in, ada):
    page = signed_in(ada)
    page.goto(PARTNER)
    page.select_option("[name=expires]", "custom")
    page.fill("[name=custom_days]", "400")
    assert page.locator("output").inner_text() not in ("", "–")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_keeps_the_policy_and_suits_a_phone_and_everybody(signed_in, ada, acme, acme_key, make_key, scheme):
    states = {
        "disabled": actions.disable_key,
        "quarantined": partial(actions.change_key, "quarantine"),
        "revoked": actions.revoke_key,
    }
    keys = [acme_key.row]
    for name, change in states.items():
        key = make_key(acme, name=f"<b onclick=x>{name}</b>").row
        change(actor=system(acme.pk), key_id=key.public_id, reason="<script>1</script>")
        keys.append(key)
    rotated = make_key(acme, name="Rotated").row
    actions.rotate_key(actor=system(acme.pk), key_id=rotated.public_id)
    forms = [f"{acme_key.row.public_id}/{what}/" for what in ("edit", "rotate", "disable", "revoke")]
    paths = ["", "?q=nothing", "create/", "create/?type=internal", "inventory/", *forms]
    paths += [f"{key.public_id}/" for key in (*keys, rotated)]
    paths += [f"{keys[1].public_id}/enable/", f"{keys[2].public_id}/release/"]
    page = signed_in(ada, viewport={"width": 320, "height": 640}, color_scheme=scheme)
    for path in paths:
        assert page.goto(KEYS + path).status == 200, path
        assert page.evaluate("document.documentElement.scrollWidth") <= 320, path
        assert broken_rules(page) == [], path
    make(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    assert page.complaints == []


def test_the_forms_around_a_key_work_like_on_every_other_page(signed_in, ada):
    page = signed_in(ada)
    make(page)
    page.evaluate("document.querySelector('[name=language][value=fr]').click()")
    page.wait_for_function("document.documentElement.lang === 'fr'")
    assert "/create/" in page.url
    make(page, "Second")
    page.evaluate("document.querySelector('form[action=\"/account/logout/\"]').requestSubmit()")
    page.wait_for_url("**/account/login/**")
    answer = page.goto("/invitation/" + "x" * 43 + "/")
    assert answer.status == 404
    page.evaluate("document.querySelector('[name=language][value=en]').click()")
    page.wait_for_function("document.documentElement.lang === 'en'")

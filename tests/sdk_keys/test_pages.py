"""In the browser: lists, creation with its one reveal, a key's page with its devices, and who sees what."""

import re

import pytest
from django.contrib import admin
from django.test import RequestFactory

from apps.audit.models import AuditEntry
from apps.audit.operator_admin import ReadOnlyAdmin
from apps.base.actor import system
from apps.orgs.data_export import FILES
from apps.orgs.models import User
from apps.sdk_keys import actions
from apps.sdk_keys.models import Activation, ActivationPool, SdkKey
from tests.api_keys.forms import send, text_of, token_of
from tests.sdk_keys.conftest import BUNDLE, CERT, ORIGIN, App

pytestmark = pytest.mark.django_db
HERE = "/o/acme/settings/integration/sdk-keys/"
GOOD = {
    "ios": {"name": "Field app", "app_id": BUNDLE, "activation_limit": "500", "inactive_after_days": "14"},
    "android": {"name": "Field app", "app_id": BUNDLE, "cert_sha256": CERT},
    "web": {"name": "Field app", "origins": f"{ORIGIN}\nhttp://localhost:3000"},
}


@pytest.fixture
def browser(browser_of, ada):
    return browser_of(ada)


@pytest.fixture
def full(ios, api):
    """An iOS key whose two places are taken."""
    app = App(ios, app_id=BUNDLE, app_version="4.2", os_version="18.1")
    for phone in ("phone-1", "phone-2"):
        assert app.activate(phone).status_code == 201
    return ios


def page_of(key, what=""):
    return f"{HERE}{key.public_id}/{what}"


def shown_key(page):
    found = re.search(r"ips_[0-9A-Za-z]{50}", page.content.decode())
    return found and found[0]


# Lists


def test_the_first_list_is_that_of_ios_and_each_platform_has_its_own(browser, make_sdk_key):
    keys = {platform: make_sdk_key(platform, name=f"On {platform}").row for platform in GOOD}
    assert browser.get(HERE)["Location"] == HERE + "ios/"
    for platform, key in keys.items():
        page = browser.get(f"{HERE}{platform}/")
        assert re.findall(r"On (ios|android|web)", text_of(page)) == [platform]
        assert key.mask in text_of(page) and (key.app_id or ORIGIN) in text_of(page)
        for other in GOOD:
            assert f'href="{HERE}{other}/"' in page.content.decode()


def test_a_row_says_how_many_places_are_taken_and_the_page_what_a_key_cannot_protect(browser, full):
    said = text_of(browser.get(HERE + "ios/"))
    assert "2 of 2 activations used" in said and "Full" in said and "friction, not proof" in said


def test_an_empty_list_invites_whoever_may_create(browser, browser_of, dev):
    assert HERE + "web/create/" in browser.get(HERE + "web/").content.decode()
    page = browser_of(dev).get(HERE + "web/")
    assert "/create/" not in page.content.decode() and "Only owners and admins can create keys." in text_of(page)


# Making one


@pytest.mark.parametrize("platform", GOOD)
def test_a_key_is_made_and_shown_once(browser, ada, platform):
    path = f"{HERE}{platform}/create/"
    data = {"token": token_of(browser.get(path)), "expires": "never", **GOOD[platform]}
    page = browser.post(path, data)
    text, key = shown_key(page), SdkKey.objects.get()
    assert text and page.status_code == 200 and page["Cache-Control"] == "no-store, private"
    assert page["Referrer-Policy"] == "same-origin" and page_of(key) in page.content.decode()
    assert (key.platform, key.name, key.expires_at) == (platform, "Field app", None)
    again = browser.post(path, data)
    assert again.status_code == 409 and not shown_key(again) and page_of(key, "rotate/") in again.content.decode()
    assert SdkKey.objects.count() == 1
    for place in (f"{HERE}{platform}/", page_of(key), "/o/acme/settings/integration/audit/"):
        assert text not in browser.get(place).content.decode()
    assert [value for value in browser.session.values() if text in str(value)] == []
    entry = AuditEntry.objects.get(action="sdk_key.created")
    assert entry.actor_id == ada.public_id and text not in str(entry.changes)


def test_what_was_typed_is_what_the_key_holds(browser):
    send(browser, HERE + "web/create/", expires="custom", custom_days="10", **GOOD["web"])
    key = SdkKey.objects.select_related("pool").get()
    assert key.origins == [ORIGIN, "http://localhost:3000"] and (key.expires_at - key.created_at).days in (9, 10)
    assert (key.pool.activation_limit, key.pool.inactive_after_days) == (None, None)


@pytest.mark.parametrize(
    ("platform", "change", "says"),
    [
        ("ios", {"name": " "}, "required"),
        ("ios", {"app_id": "no dots"}, "bundle id"),
        ("ios", {"activation_limit": "0"}, "greater than or equal to 1"),
        ("ios", {"inactive_after_days": "366"}, "less than or equal to 365"),
        ("ios", {"expires": "custom"}, "how many days"),
        ("ios", {"token": "forged"}, "open for too long"),
        ("android", {"cert_sha256": "AB:CD"}, "64 hexadecimal digits"),
        ("web", {"origins": "http://a.example"}, "use https"),
        ("web", {"origins": "\n"}, "required"),
    ],
)
def test_bad_input_keeps_the_form_and_makes_nothing(browser, platform, change, says):
    values = {"expires": "never", **GOOD[platform], **change}
    page = send(browser, f"{HERE}{platform}/create/", **values)
    assert page.status_code == 422 and says in text_of(page) and not SdkKey.objects.exists()


def test_typed_values_survive_the_question_for_the_password(browser_of, ada):
    browser = browser_of(ada, confirmed=False)
    path = HERE + "ios/create/"
    page = send(browser, path, expires="never", confirm_password="wrong", **GOOD["ios"])
    assert page.status_code == 422 and f'value="{BUNDLE}"' in page.content.decode()
    data = {"token": token_of(page), "expires": "never", "confirm_password": "correct horse battery", **GOOD["ios"]}
    assert shown_key(browser.post(path, data))


# The organization's longest lifetime


def test_the_organizations_longest_lifetime_counts(browser, acme, api, make_key, make_sdk_key):
    old = make_sdk_key().row
    acme.longest_key_days = 90
    acme.save()
    caller = api(make_key(acme, "sdk_keys:write"))
    body = {"name": "A", "platform": "ios", "app_id": BUNDLE}
    for more, field in (({"never_expires": True}, "never_expires"), ({"expires_in_days": 91}, "expires_in_days")):
        refused = caller.post("/v1/sdk-keys", {**body, **more})
        assert refused.status_code == 400 and list(refused.json()["fields"]) == [field]
    assert caller.post("/v1/sdk-keys", {**body, "expires_in_days": 90}).status_code == 201
    assert caller.post("/v1/sdk-keys", body).status_code == 201
    for key in (SdkKey.objects.last(), actions.rotate_sdk_key(actor=system(acme.pk), key_id=old.public_id)[0]):
        assert (key.expires_at - key.created_at).total_seconds() == pytest.approx(90 * 86400, abs=5)
    page = browser.get(HERE + "ios/create/")
    assert 'value="never"' not in page.content.decode() and 'value="365"' not in page.content.decode()
    refused = send(browser, HERE + "ios/create/", expires="never", **GOOD["ios"])
    assert refused.status_code == 422 and "within 90 days" in text_of(refused)


# Its page


@pytest.mark.parametrize(
    ("platform", "word"), [("ios", "URLSession"), ("android", "HttpURLConnection"), ("web", "fetch(")]
)
def test_a_key_shows_how_its_platform_uses_it(browser, make_sdk_key, settings, platform, word):
    key = make_sdk_key(platform)
    page = browser.get(page_of(key.row))
    said = text_of(page)
    assert word in said and f"{settings.PUBLIC_URL}/v1/sdk/activations" in said and "friction, not proof" in said
    assert key.row.digest not in page.content.decode() and not shown_key(page)


def test_devices_are_listed_with_versions_and_without_digests(browser, full):
    page = browser.get(page_of(full.row))
    said = text_of(page)
    assert "2 of 2 activations used" in said and said.count("4.2 · 18.1") == 2 and "Every activation is taken." in said
    for device in Activation.objects.all():
        assert device.public_id in said
        assert device.device_digest not in page.content.decode() and device.token_digest not in page.content.decode()


def test_devices_come_in_pages(browser, ios, monkeypatch):
    monkeypatch.setattr("apps.sdk_keys.view_models.DEVICES_PER_PAGE", 1)
    app = App(ios, app_id=BUNDLE)
    first, second = (app.activate(phone).json()["id"] for phone in ("phone-1", "phone-2"))
    page = browser.get(page_of(ios.row))
    assert second in text_of(page) and first not in text_of(page)
    cursor = re.search(r"\?(cursor=[\w-]+)", page.content.decode())[1]
    older = text_of(browser.get(f"{page_of(ios.row)}?{cursor}"))
    assert first in older and second not in older
    assert second in text_of(browser.get(page_of(ios.row) + "?cursor=nonsense"))


@pytest.mark.parametrize("who", ["ada", "ann", "dev"])
def test_a_device_is_deactivated_by_one_click_and_once(request, browser_of, full, who):
    user = request.getfixturevalue(who)
    browser = browser_of(user, confirmed=False)
    device = Activation.objects.first()
    path = page_of(full.row, f"activations/{device.public_id}/free/")
    assert path in browser.get(page_of(full.row)).content.decode()
    for _ in range(2):
        assert "The place is free." in text_of(browser.post(path, follow=True))
    full.row.pool.refresh_from_db()
    device.refresh_from_db()
    assert full.row.pool.active_count == 1 and device.freed_because == "person"
    entry = AuditEntry.objects.get(action="sdk_key.deactivated")
    assert entry.actor_id == user.public_id
    assert device.public_id in text_of(browser.get(page_of(full.row) + "?show=freed"))
    assert App(full, app_id=BUNDLE).activate("phone-3").status_code == 201


def test_a_viewer_reads_and_deactivates_nothing(browser_of, vera, full):
    browser = browser_of(vera)
    page = browser.get(page_of(full.row)).content.decode()
    assert "/free/" not in page and "/rotate/" not in page and "/revoke/" not in page
    path = page_of(full.row, f"activations/{Activation.objects.first().public_id}/free/")
    assert browser.post(path).status_code == 403 and full.row.pool.activations.active().count() == 2


def test_a_device_of_another_key_is_not_found_under_this_one(browser, full, make_sdk_key):
    other = make_sdk_key("ios", name="Other").row
    path = page_of(other, f"activations/{Activation.objects.first().public_id}/free/")
    assert browser.post(path).status_code == 404 and Activation.objects.active().count() == 2


def test_a_stranger_finds_nothing(browser_of, zed, full):
    browser = browser_of(zed)
    paths = [HERE, HERE + "ios/", HERE + "ios/create/", page_of(full.row), page_of(full.row, "rotate/")]
    assert {browser.get(path).status_code for path in paths} == {404}
    own = page_of(full.row).replace("/o/acme/", "/o/rival/")
    assert browser.get(own).status_code == browser.post(own + "revoke/").status_code == 404


# States


def test_an_edit_changes_app_and_limit(browser, full):
    page = send(browser, page_of(full.row, "edit/"), name="New", app_id="com.acme.new", activation_limit="1")
    full.row.refresh_from_db()
    full.row.pool.refresh_from_db()
    assert page.status_code == 200 and (full.row.name, full.row.app_id) == ("New", "com.acme.new")
    assert (full.row.pool.activation_limit, full.row.pool.active_count) == (1, 2)
    changes = AuditEntry.objects.get(action="sdk_key.updated").changes
    assert changes["activation_limit"] == [2, 1] and changes["inactive_after_days"] == [30, None]


def test_a_rotation_shows_the_new_key_once_and_devices_keep_their_places(browser, full):
    path = page_of(full.row, "rotate/")
    data = {"token": token_of(browser.get(path)), "overlap": "3600"}
    page = browser.post(path, data)
    text, made = shown_key(page), SdkKey.objects.get(replaces=full.row)
    assert text and "Devices keep their places" in text_of(page)
    again = browser.post(path, data)
    assert again.status_code == 409 and not shown_key(again) and page_of(made, "rotate/") in again.content.decode()
    assert "2 of 2 activations used" in text_of(browser.get(page_of(made)))
    assert App(type(full)(made, text), app_id=BUNDLE).activate("phone-1").status_code == 200
    assert "Rotate the key that replaced it" in text_of(browser.get(path))
    assert send(browser, page_of(made, "rotate/"), overlap="9").status_code == 422


def test_it_is_disabled_enabled_quarantined_released_and_revoked(browser, full):
    key = full.row
    assert "is disabled" in text_of(send(browser, page_of(key, "disable/"), reason="Holidays"))
    page = browser.get(page_of(key))
    assert "“Holidays”" in text_of(page)
    assert "works again" in text_of(browser.post(page_of(key, "enable/"), {"token": token_of(page)}, follow=True))
    actions.change_sdk_key("quarantine", actor=system(key.organization_id), key_id=key.public_id)
    page = browser.get(page_of(key))
    assert "No new device gets one" in text_of(page)
    assert "is released" in text_of(browser.post(page_of(key, "release/"), {"token": token_of(page)}, follow=True))
    path = page_of(key, "revoke/")
    assert send(browser, path).status_code == 422
    assert "2 devices hold activations" in text_of(browser.get(path))
    assert "is revoked" in text_of(send(browser, path, confirm="on", confirm_name=key.name, reason="Left"))
    for what in ("edit/", "rotate/", "disable/", "enable/", "release/", "revoke/"):
        assert browser.get(page_of(key, what)).status_code == 302
    told = AuditEntry.objects.filter(target_id=key.public_id).exclude(action="sdk_key.activated").order_by("pk")
    words = ["created", "disabled", "enabled", "quarantined", "released", "revoked"]
    assert [entry.action.removeprefix("sdk_key.") for entry in told] == words


@pytest.mark.parametrize("who", ["dev", "vera"])
def test_a_colleague_without_the_right_changes_no_key(request, browser_of, full, who):
    browser = browser_of(request.getfixturevalue(who))
    for what in ("edit/", "rotate/", "disable/", "enable/", "release/", "revoke/"):
        assert browser.get(page_of(full.row, what)).status_code == 403
        assert browser.post(page_of(full.row, what), {"confirm": "on"}).status_code == 403


def test_a_leak_leads_to_the_keys_page(browser, full):
    actions.report_leak(actor=system(full.row.organization_id), key_id=full.row.public_id, where="A blog")
    assert f'href="{page_of(full.row)}"' in browser.get(HERE + "web/").content.decode()


# Copies and operators


def test_the_archive_holds_masks_and_counts_and_no_digest(full):
    rows = list(FILES["sdk_keys.jsonl"](system(full.row.organization_id)))
    assert [(row["mask"], row["active_count"]) for row in rows] == [(full.row.mask, 2)]
    assert full.text not in str(rows) and full.row.digest not in str(rows)


@pytest.mark.parametrize("model", [SdkKey, ActivationPool, Activation])
def test_operators_read_masks_and_change_nothing(full, model):
    shown, request = admin.site._registry[model], RequestFactory().get("/")
    request.user = User(is_staff=True, is_superuser=True)
    row, device = model.objects.first(), Activation.objects.first()
    listed, page = shown.changelist_view(request).render(), shown.change_view(request, str(row.pk)).render()
    for answer in (listed, page):
        assert str(getattr(row, "mask", row.public_id)) in answer.content.decode() or answer is page
        for secret in (full.row.digest, device.device_digest, device.token_digest):
            assert secret not in answer.content.decode()
    assert isinstance(shown, ReadOnlyAdmin) and not shown.has_add_permission(request)

"""A key's page in every state, and the pages that bring it into another."""

from datetime import timedelta
from functools import partial

import pytest
from django.utils import timezone

from apps.api_keys import actions
from apps.api_keys.models import ApiKey
from apps.audit.models import ApiCall, AuditEntry
from apps.base.actor import system
from tests.api_keys.forms import HERE, page_of, send, shown_key, text_of, token_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def browser(browser_of, ada):
    return browser_of(ada)


@pytest.fixture
def key(acme_key):
    return acme_key.row


def hrefs(page, key):
    return {
        what
        for what in ("rotate", "edit", "disable", "revoke")
        if f'href="{page_of(key, what)}/"' in page.content.decode()
    }


# Its page


def test_an_active_key_can_be_brought_into_every_state(browser, key):
    page = browser.get(page_of(key))
    assert hrefs(page, key) == {"rotate", "edit", "disable", "revoke"}
    assert f"create/?from={key.public_id}" in page.content.decode() and "it stays when Portal leaves" in text_of(page)


def test_a_disabled_key_says_who_when_and_why_and_is_enabled_by_one_click(
    browser, key, acme_key, api, django_capture_on_commit_callbacks
):
    done = send(browser, page_of(key, "disable/"), reason="Holidays")
    page = browser.get(page_of(key))
    assert "is disabled" in text_of(done)
    assert "Disabled." in text_of(page) and "Ada, " in text_of(page) and "“Holidays”" in text_of(page)
    assert hrefs(page, key) == {"rotate", "edit", "revoke"}
    path = page_of(key, "enable/")
    assert f'action="{path}"' in page.content.decode()
    with django_capture_on_commit_callbacks(execute=True):
        back = browser.post(path, {"token": token_of(page)}, follow=True)
    assert "works again" in text_of(back) and api(acme_key).get("/v1/me").status_code == 200
    assert AuditEntry.objects.get(action="api_key.disabled").changes["reason"] == [None, "Holidays"]


def test_a_button_asks_to_confirm_the_password_when_the_confirmation_is_old(browser_of, ada, key):
    actions.disable_key(actor=system(key.organization_id), key_id=key.public_id)
    browser = browser_of(ada, confirmed=False)
    page = browser.post(page_of(key, "enable/"), {"token": token_of(browser.get(page_of(key)))})
    assert page.status_code == 200 and "confirm_password" in page.content.decode()
    assert "correct" not in text_of(page)
    key.refresh_from_db()
    assert key.disabled_at is not None
    data = {"token": token_of(page), "confirm_password": "correct horse battery"}
    assert browser.post(page_of(key, "enable/"), data).status_code == 302
    key.refresh_from_db()
    assert key.disabled_at is None


def test_a_token_of_one_button_does_not_press_another(browser, key):
    actions.disable_key(actor=system(key.organization_id), key_id=key.public_id)
    actions.change_key("quarantine", actor=system(key.organization_id), key_id=key.public_id)
    page = browser.get(page_of(key))
    refused = browser.post(page_of(key, "release/"), {"token": token_of(page)})
    assert refused.status_code == 422  # the first token of the page is that of Enable


def test_a_quarantined_key_says_what_that_means_and_is_released_by_one_click(browser, key):
    actions.change_key(
        "quarantine", actor=system(key.organization_id), key_id=key.public_id, reason="Seen in a repository"
    )
    ApiCall.objects.create(
        organization_id=key.organization_id, at=timezone.now(), actor_kind="api_key", actor_id=key.public_id,
        actor_label=key.name, credential_id=key.pk, method="GET", route="/v1/users", status=200, duration_ms=1,
        flagged=True,
    )  # fmt: skip
    page = browser.get(page_of(key))
    said = text_of(page)
    assert "It may only read" in said and "“Seen in a repository”" in said and "In quarantine" in said
    assert page_of(key, "revoke/") in page.content.decode()
    assert "is released" in text_of(browser.post(page_of(key, "release/"), {"token": token_of(page)}, follow=True))
    key.refresh_from_db()
    assert key.quarantined_at is None and AuditEntry.objects.filter(action="api_key.released").count() == 1


def test_an_expired_key_offers_a_replacement(browser, key):
    ApiKey.objects.update(expires_at=timezone.now() - timedelta(days=1))
    page = browser.get(page_of(key))
    assert "expired_api_key" in text_of(page) and "Create a replacement" in text_of(page) and hrefs(page, key) == set()
    for what in ("edit/", "rotate/", "disable/", "enable/", "release/", "revoke/"):
        assert browser.get(page_of(key, what)).status_code == 302


def test_an_expiring_key_leads_to_its_rotation(browser, key):
    ApiKey.objects.update(expires_at=timezone.now() + timedelta(days=3))
    said = text_of(browser.get(page_of(key)))
    assert "Expires in 3 days" in said and "Rotate it now" in said


def test_a_viewer_reads_every_state_and_is_offered_nothing(browser_of, vera, key):
    viewer, portal = browser_of(vera), system(key.organization_id)
    for change in (partial(actions.change_key, "quarantine"), actions.disable_key, actions.revoke_key):
        change(actor=portal, key_id=key.public_id)
        page = viewer.get(page_of(key))
        assert page.status_code == 200 and hrefs(page, key) == set()
        assert "create/?from=" not in page.content.decode() and "/enable/" not in page.content.decode()


def test_a_revoked_key_is_read_only_with_the_reason(browser, key):
    assert "is revoked" in text_of(send(browser, page_of(key, "revoke/"), confirm="on", reason="Left the company"))
    page = browser.get(page_of(key))
    assert "“Left the company”" in text_of(page) and hrefs(page, key) == set()


# Changing it


def test_an_edit_changes_what_may_change(browser, key):
    page = send(
        browser, page_of(key, "edit/"), name="New name", networks="203.0.113.7, 2001:db8::/32", limit_minute="50",
        access_users="users:read", access_orders="", access_webhooks="webhooks:write",
    )  # fmt: skip
    assert page.status_code == 200 and "Saved" in text_of(page)
    key.refresh_from_db()
    assert (key.name, key.limit_minute, key.scopes) == ("New name", 50, ["users:read", "webhooks:write"])
    assert key.allowed_networks == ["203.0.113.7/32", "2001:db8::/32"]


def test_an_edit_offers_no_right_that_the_key_has_not(browser, key):
    page = browser.get(page_of(key, "edit/"))
    assert 'value="orders:read"' not in page.content.decode() and 'value="users:write" checked' in page.content.decode()
    more = send(browser, page_of(key, "edit/"), name="x", access_orders="orders:read")
    assert more.status_code == 422 and "can only become fewer" in text_of(more)


def test_an_admin_key_stays_so_until_another_choice_is_made(browser, admin_key):
    path = page_of(admin_key.row, "edit/")
    send(browser, path, name="Same", access="admin")
    assert ApiKey.objects.get(pk=admin_key.row.pk).scopes == ["admin"]
    send(browser, path, name="Less", access="choose", access_users="users:read")
    assert ApiKey.objects.get(pk=admin_key.row.pk).scopes == ["users:read"]


def test_limits_of_an_operator_outlive_an_edit_by_others(browser, key):
    ApiKey.objects.update(limit_minute=900)
    page = send(browser, page_of(key, "edit/"), name="Renamed", limit_minute="900", access_users="users:read")
    key.refresh_from_db()
    assert page.status_code == 200 and (key.name, key.limit_minute) == ("Renamed", 900)
    ApiKey.objects.update(limit_minute=0)
    page = send(browser, page_of(key, "edit/"), name="Free", limit_minute="0", access_users="users:read")
    key.refresh_from_db()
    assert page.status_code == 200 and (key.name, key.limit_minute) == ("Free", 0)
    copy = browser.get(f"{HERE}create/?from={key.public_id}").content.decode()
    assert 'name="limit_minute"' in copy and 'value="0"' not in copy


# Replacing it


def test_a_rotation_shows_the_new_key_once(browser, key, api, acme_key):
    path = page_of(key, "rotate/")
    data = {"token": token_of(browser.get(path)), "overlap": "3600"}
    page = browser.post(path, data)
    text = shown_key(page)
    made = ApiKey.objects.get(replaces=key)
    assert page.status_code == 200 and page["Cache-Control"] == "no-store, private"
    assert "works until" in text_of(page) and key.mask in text_of(page) and page_of(made) in page.content.decode()
    assert api(text).get("/v1/me").status_code == api(acme_key).get("/v1/me").status_code == 200
    again = browser.post(path, data)
    assert again.status_code == 409 and shown_key(again) is None and page_of(made, "rotate/") in again.content.decode()
    key.refresh_from_db()
    assert timedelta(minutes=59) < key.expires_at - timezone.now() <= timedelta(hours=1)
    old, new = text_of(browser.get(page_of(key))), text_of(browser.get(page_of(made)))
    assert "This old key works until" in old and made.mask in old
    assert f"The key that it replaced, {key.mask}, still works." in new and "replaced" in new
    assert "Rotate the key that replaced it" in text_of(browser.get(path))


@pytest.mark.parametrize(
    ("values", "overlap"),
    [({"overlap": "0"}, timedelta()), ({"overlap": "custom", "custom_days": "30"}, timedelta(days=30))],
)
def test_the_overlap_is_chosen(browser, key, values, overlap):
    ApiKey.objects.update(expires_at=None)
    assert shown_key(send(browser, page_of(key, "rotate/"), **values))
    key.refresh_from_db()
    assert abs(key.expires_at - timezone.now() - overlap) < timedelta(minutes=1)


@pytest.mark.parametrize(
    "values", [{"overlap": "custom"}, {"overlap": "custom", "custom_days": "31"}, {"overlap": "9"}]
)
def test_another_overlap_is_refused(browser, key, values):
    assert send(browser, page_of(key, "rotate/"), **values).status_code == 422
    assert ApiKey.objects.count() == 1


def test_the_overlap_never_passes_the_old_end_and_the_page_says_so(browser, key):
    ends = timezone.now() + timedelta(days=2)
    ApiKey.objects.update(expires_at=ends)
    path = page_of(key, "rotate/")
    assert "Never past its own end" in text_of(browser.get(path))
    send(browser, path, overlap="604800")
    key.refresh_from_db()
    assert key.expires_at == ends


def test_a_rotation_tells_the_last_call(browser, key, api, acme_key):
    api(acme_key).get("/v1/me")
    said = text_of(browser.get(page_of(key, "rotate/")))
    assert "127.0.0.1" in said and "1 call in 24 hours" in said


@pytest.mark.parametrize("what", ["edit/", "rotate/", "disable/", "enable/", "release/"])
def test_every_form_asks_to_confirm_the_password_when_the_confirmation_is_old(browser_of, ada, key, what):
    portal = system(key.organization_id)
    if what in ("enable/", "release/"):
        {"enable/": actions.disable_key, "release/": partial(actions.change_key, "quarantine")}[what](
            actor=portal, key_id=key.public_id
        )
    page = browser_of(ada, confirmed=False).get(page_of(key, what))
    assert "confirm_password" in page.content.decode()


def test_a_form_sent_twice_does_it_once(browser, key):
    path = page_of(key, "disable/")
    data = {"token": token_of(browser.get(path)), "reason": "x"}
    assert browser.post(path, data).status_code == browser.post(path, data).status_code == 302
    assert AuditEntry.objects.filter(action="api_key.disabled").count() == 1
    assert HERE in browser.post(path, data)["Location"]

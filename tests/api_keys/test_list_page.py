"""What the list shows, finds and leaves out."""

from datetime import timedelta

import pytest
from django.db import DatabaseError
from django.utils import timezone

from apps.api_keys import actions, view_models
from apps.api_keys.models import ApiKey
from apps.api_keys.view_models import key_list
from apps.base.actor import system
from tests.api_keys.forms import HERE, page_of, text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def browser(browser_of, ada):
    return browser_of(ada)


@pytest.fixture
def keys(make_key, acme):
    """Keys by name: one in each state."""
    names = ["active", "unused", "expiring", "today", "overlap", "expired", "quarantined", "disabled"]
    names += ["revoked", "gone"]  # the latter so long ago that no page shows it
    found = {name: make_key(acme, "users:read", name=f"Key {name}").row for name in names}
    now, portal = timezone.now(), system(acme.pk)
    dates = {"expiring": 6, "today": 0.5, "expired": -1}
    for name, days in dates.items():
        ApiKey.objects.filter(pk=found[name].pk).update(expires_at=now + timedelta(days=days))
    ApiKey.objects.filter(pk=found["unused"].pk).update(created_at=now - timedelta(days=31))
    actions.change_key("quarantine", actor=portal, key_id=found["quarantined"].public_id)
    actions.disable_key(actor=portal, key_id=found["disabled"].public_id)
    for name in ("revoked", "gone"):
        actions.revoke_key(actor=portal, key_id=found[name].public_id)
    ApiKey.objects.filter(pk=found["gone"].pk).update(revoked_at=now - timedelta(days=91))
    actions.rotate_key(actor=portal, key_id=found["overlap"].public_id)
    return found


def listed(page):
    return [key.name for key in ApiKey.objects.order_by("pk") if page_of(key) in page.content.decode()]


def test_every_state_has_its_badge(browser, keys):
    said = text_of(browser.get(HERE))
    for words in ("Expires in 6 days", "Expires in 1 day", "In overlap old key works until", "Expired", "Quarantined",
                  "Disabled", "Revoked", "Unused", "Never used"):  # fmt: skip
        assert words in said


def test_what_was_revoked_long_ago_stands_in_the_audit_log_alone(browser, keys):
    for query in ("", "?status=revoked", "?q=gone"):
        assert "Key gone" not in text_of(browser.get(HERE + query))
    page = browser.get(HERE).content.decode()
    assert page.count('class="quiet"') == 1
    assert page.index(page_of(keys["revoked"])) > max(page.index(page_of(keys[name])) for name in ("active", "expired"))


@pytest.mark.parametrize(
    ("status", "names"),
    [
        ("revoked", ["revoked"]),
        ("disabled", ["disabled"]),
        ("quarantined", ["quarantined"]),
        ("expired", ["expired"]),
        ("expiring", ["expiring", "today"]),
        ("overlap", ["overlap"]),
        ("active", ["active", "unused", "overlap"]),  # the key that replaced the one in overlap
    ],
)
def test_the_status_filter(browser, keys, status, names):
    assert listed(browser.get(f"{HERE}?status={status}")) == [f"Key {name}" for name in names]


def test_never_used_leaves_out_what_was_used(browser, make_key, acme, api):
    used = make_key(acme, "users:read", name="Used")
    make_key(acme, "users:read", name="Fresh")
    api(used).get("/v1/me")
    assert listed(browser.get(HERE + "?status=never_used")) == ["Fresh"]


def test_the_statuses_are_offered_worst_first(browser, keys):
    page = browser.get(HERE).content.decode()
    offered = [page.index(f'<option value="{value}"') for value, _label in key_list.STATUSES]
    assert offered == sorted(offered)


def test_a_key_is_found_by_name_prefix_last_four_and_mask(browser, make_key, acme):
    wanted, other = make_key(acme, "users:read", name="Wanted"), make_key(acme, "users:read", name="Other")
    row = wanted.row
    for text in ("want", row.key_id[:4], f"ipk_{row.key_id[:6]}", row.last_four, row.mask, wanted.text):
        page = browser.get(HERE, {"q": text}, follow=True)
        assert "Wanted" in listed(page), text
        assert wanted.text not in page.content.decode()
    assert listed(browser.get(HERE, {"q": row.mask})) == ["Wanted"]
    pasted = browser.get(HERE, {"q": other.text})
    assert pasted.status_code == 302 and other.text[17:] not in pasted["Location"]
    assert listed(browser.get(pasted["Location"])) == ["Other"]


def test_nothing_matches(browser, acme_key):
    page = browser.get(HERE + "?q=nowhere")
    assert "No key matches these filters." in text_of(page) and "Clear filters" in text_of(page)


def test_a_cap_is_shown_with_what_is_used_of_it(browser, make_key, acme):
    for _ in range(5):
        make_key(acme, "users:read", type="user_data")
    page = browser.get(HERE)
    assert "User data : 5 of 5 used" in text_of(page) and "Revoke one to add another" in text_of(page)
    assert HERE + "create/" in page.content.decode()


def test_a_list_that_cannot_be_read_says_so_with_the_request_id(browser, acme_key, monkeypatch):
    def broken(*_values):
        raise DatabaseError("disk I/O error")

    monkeypatch.setattr(view_models, "key_rows", broken)
    page = browser.get(HERE)
    assert page.status_code == 503 and page["X-Request-ID"] in text_of(page) and "Try again" in text_of(page)
    assert "disk" not in text_of(page)


def test_a_viewer_reads_and_exports(browser_of, vera, acme_key):
    page = browser_of(vera).get(HERE)
    assert "Only owners and admins can create keys." in text_of(page) and "inventory.csv" in page.content.decode()
    assert "/rotate/" not in page.content.decode() and "create/" not in page.content.decode()

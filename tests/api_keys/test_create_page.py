"""A key in two steps; what the second one offers, refuses and keeps."""

import re

import pytest

from apps.api_keys.models import ApiKey, KeyCreators, KeyType, Package
from tests.api_keys.forms import CREATE, HERE, send, shown_key, text_of, token_of

pytestmark = pytest.mark.django_db
PARTNER = CREATE + "?type=partner"


@pytest.fixture
def browser(browser_of, ada):
    return browser_of(ada)


def inputs(page, name):
    """The values of the inputs of a name, with what is set on each beside them."""
    tags = re.findall(rf'<input[^>]*name="{name}"[^>]*>', page.content.decode())
    return {
        re.search(r'value="([^"]*)"', tag)[1]: {w for w in ("checked", "disabled") if f" {w}" in tag} for tag in tags
    }


# Step 1


def test_the_first_step_tells_the_types_apart(browser):
    page = browser.get(CREATE)
    assert list(inputs(page, "type")) == ["client", "partner", "internal", "user_data"]
    said = text_of(page)
    for words in ("orders:write, invoices:read, appointments:read", "100 a minute, 5,000 an hour", "No rate limit",
                  "Every right, and admin", "90 days unless chosen, 365 at most", "0 of 5 used", "5 left"):  # fmt: skip
        assert words in said
    assert 'method="get"' in page.content.decode() and 'name="token"' not in page.content.decode()


def test_a_type_that_is_full_is_greyed_with_the_way_to_its_keys(browser, make_key, acme):
    for _ in range(5):
        make_key(acme, "users:read", type="user_data")
    page = browser.get(CREATE)
    assert inputs(page, "type")["user_data"] == {"disabled"}
    assert "All 5 keys of this type are in use" in text_of(page) and f"{HERE}?type=user_data" in page.content.decode()
    second = browser.get(CREATE + "?type=user_data")
    assert '<form class="card"' not in second.content.decode() and "5 of 5 used" in text_of(second)
    assert f"{HERE}?type=user_data" in second.content.decode()


def test_a_type_filled_meanwhile_is_refused_in_the_form(browser, make_key, acme):
    path = CREATE + "?type=user_data"
    token = token_of(browser.get(path))
    for _ in range(5):
        make_key(acme, "users:read", type="user_data")
    page = browser.post(path, {"token": token, "name": "Sixth", "access_users": "users:read", "expires": "30"})
    assert page.status_code == 422 and "All 5 keys of type user_data are in use" in text_of(page)
    assert ApiKey.objects.count() == 5 and 'value="Sixth"' in page.content.decode()


def test_what_is_switched_off_is_greyed_with_whom_to_ask(browser, acme):
    Package.objects.create(
        organization=acme, types_off=["internal"], scopes_off=["orders:write"], contact="Call Sue, 555-01."
    )
    first = browser.get(CREATE)
    assert inputs(first, "type")["internal"] == {"disabled"} and "Call Sue, 555-01." in text_of(first)
    second = browser.get(PARTNER)
    assert inputs(second, "access_orders") == {"": {"checked"}, "orders:read": set(), "orders:write": {"disabled"}}
    assert "Call Sue, 555-01." in text_of(second)
    forged = send(browser, PARTNER, name="x", expires="30", access_orders="orders:write")
    assert forged.status_code == 422 and "Not part of your package: orders:write" in text_of(forged)
    made = send(browser, PARTNER, name="All", expires="30", access="write")
    assert shown_key(made) and {"orders:read", "invoices:write"} <= set(ApiKey.objects.get().scopes)
    assert "orders:write" not in ApiKey.objects.get().scopes


def test_a_type_for_others_to_make_is_greyed_with_the_reason(browser_of, ann, ada):
    KeyType.objects.filter(name="internal").update(made_by=KeyCreators.OWNERS)
    KeyType.objects.filter(name="client").update(made_by=KeyCreators.OPERATORS)
    admin, owner = browser_of(ann).get(CREATE), browser_of(ada).get(CREATE)
    assert inputs(admin, "type")["internal"] == {"disabled"} and "Only an owner" in text_of(admin)
    assert inputs(owner, "type")["internal"] == set() and inputs(owner, "type")["client"] == {"disabled"}
    assert "made by the vendor" in text_of(browser_of(ann).get(CREATE + "?type=client"))


@pytest.mark.parametrize("name", ["platform", "nothing"])
def test_no_other_type_can_be_asked_for(browser, name):
    page = browser.get(f"{CREATE}?type={name}")
    assert page.status_code == 200 and "no such type" in text_of(page)
    assert browser.post(CREATE, {"type": name}).status_code == 422
    assert "Choose the type" in text_of(browser.post(CREATE, {}))


# Step 2


def test_the_second_step_shows_what_the_type_needs_and_no_more(browser):
    partner, client = browser.get(PARTNER), browser.get(CREATE + "?type=client")
    assert 'name="subject"' not in partner.content.decode() and 'name="subject"' in client.content.decode()
    assert list(inputs(client, "access_orders")) == ["", "orders:read", "orders:write"]
    assert list(inputs(client, "access_invoices")) == ["", "invoices:read"]
    assert inputs(client, "access_users") == {}
    assert 'value="never"' in partner.content.decode() and 'value="never"' not in client.content.decode()
    assert "api_keys:verify" in inputs(partner, "scopes") and inputs(client, "scopes") == {}
    assert "admin" in inputs(browser.get(CREATE + "?type=internal"), "access")
    assert "admin" not in inputs(partner, "access")


def test_levels_and_single_rights_become_scopes(browser):
    levels = {"access_orders": "orders:write", "access_users": "users:read", "access_events": ""}
    page = send(browser, PARTNER, name="Mixed", expires="60", scopes="api_keys:verify", access="choose", **levels)
    assert shown_key(page)
    assert ApiKey.objects.get().scopes == ["users:read", "api_keys:verify", "orders:write"]


def test_all_scopes_are_granted_at_once(browser):
    send(browser, CREATE + "?type=client", name="Reader", subject="C-1", expires="30", access="read")
    assert ApiKey.objects.get().scopes == ["orders:read", "invoices:read", "appointments:read"]
    send(browser, CREATE + "?type=client", name="Writer", subject="C-1", expires="30", access="write")
    assert ApiKey.objects.get(name="Writer").scopes == ["orders:write", "invoices:read", "appointments:read"]
    send(browser, CREATE + "?type=internal", name="Admin", expires="30", access="admin", access_users="users:read")
    assert ApiKey.objects.get(name="Admin").scopes == ["admin"]


def test_a_key_created_without_a_choice_has_no_scopes(browser):
    assert shown_key(send(browser, PARTNER, name="Nothing", expires="30"))
    assert ApiKey.objects.get().scopes == []


def test_lifetimes_end_at_the_types_longest(browser):
    KeyType.objects.filter(name="client").update(longest_days=45, default_days=40)
    page = browser.get(CREATE + "?type=client").content.decode()
    assert re.findall(r'<option value="(\w+)"', page) == ["30", "custom"] and 'max="45"' in page
    page = send(browser, CREATE + "?type=client", name="x", subject="C-1", expires="60")
    assert page.status_code == 422 and "at most 45 days" in text_of(page)
    page = send(browser, CREATE + "?type=client", name="x", subject="C-1", expires="never")
    assert page.status_code == 422 and "must expire within 45 days" in text_of(page)


def test_custom_rate_limits_stay_below_those_of_the_type(browser):
    page = send(browser, PARTNER, name="Slow", expires="30", limit_minute="101")
    assert (
        page.status_code == 422 and "less than or equal to 100" in text_of(page) and "<details" in page.content.decode()
    )
    assert shown_key(send(browser, PARTNER, name="Slow", expires="30", limit_minute="5", limit_hour="50"))
    assert (ApiKey.objects.get().limit_minute, ApiKey.objects.get().limit_hour) == (5, 50)


def test_everything_typed_survives_an_error_and_the_question(browser_of, ada):
    browser = browser_of(ada, confirmed=False)
    values = {
        "name": "Kept", "access_orders": "orders:write", "scopes": "api_keys:verify", "expires": "custom",
        "custom_days": "17", "networks": "203.0.113.0/24\nnonsense", "limit_minute": "7", "confirm_password": "wrong",
    }  # fmt: skip
    page = send(browser, PARTNER, **values)
    assert page.status_code == 422 and "not your password" in text_of(page)
    body = page.content.decode()
    assert 'value="Kept"' in body and 'value="17"' in body and "203.0.113.0/24\nnonsense" in body
    assert inputs(page, "access_orders")["orders:write"] == {"checked"} and 'value="7"' in body
    assert inputs(page, "scopes")["api_keys:verify"] == {"checked"} and 'details class="fold" open' in body
    assert "wrong" not in re.findall(r'value="([^"]*)"', body)


# Filled in beforehand


def test_a_copy_takes_the_settings_over(browser, make_key, acme):
    old = make_key(
        acme, "orders:write", "users:read", name="Shop", allowed_networks=["203.0.113.0/24"], limits={"minute": 9}
    ).row
    page = browser.get(f"{CREATE}?from={old.public_id}")
    body = page.content.decode()
    assert 'value="Copy of Shop"' in body and "203.0.113.0/24</textarea>" in body and 'value="9"' in body
    assert inputs(page, "access_orders")["orders:write"] == inputs(page, "access_users")["users:read"] == {"checked"}
    assert inputs(page, "access_events")[""] == {"checked"} and '<option value="90" selected>' in body
    made = browser.post(
        PARTNER, {"token": token_of(page), "name": "Copy of Shop", "access_orders": "orders:write", "expires": "90"}
    )
    assert shown_key(made) and ApiKey.objects.count() == 2


def test_a_copy_leaves_out_what_can_no_longer_be_given(browser, make_key, acme):
    old = make_key(acme, "orders:write", "users:read").row
    Package.objects.create(organization=acme, scopes_off=["users:read"])
    page = browser.get(f"{CREATE}?from={old.public_id}")
    assert "cannot be given now: users:read" in text_of(page)
    assert inputs(page, "access_users")[""] == {"checked"}


def test_somebody_elses_key_is_not_copied(browser, rival_key):
    assert browser.get(f"{CREATE}?from={rival_key.row.public_id}").status_code == 404
    assert browser.get(f"{CREATE}?from=nonsense").status_code == 404


def test_a_link_proposes_rights(browser):
    page = browser.get(PARTNER + "&name=Narrow&scopes=orders:read&scopes=nonsense&scopes=admin")
    assert inputs(page, "access_orders")["orders:read"] == {"checked"} and 'value="Narrow"' in page.content.decode()
    assert inputs(page, "access_users")[""] == {"checked"}


# Once


def test_the_answer_that_comes_twice_leads_to_the_key(browser_of, ada):
    browser = browser_of(ada)
    data = {"token": token_of(browser.get(PARTNER)), "name": "Lost", "expires": "30"}
    assert shown_key(browser.post(PARTNER, data))
    again = browser.post(PARTNER, data)
    key = ApiKey.objects.get()
    assert again.status_code == 409 and "already shown" in text_of(again) and shown_key(again) is None
    assert f"{HERE}{key.public_id}/rotate/" in again.content.decode()
    later = browser_of(ada).post(PARTNER, data)  # another session, begun after the key was made
    assert "made, but not shown" in text_of(later) and shown_key(later) is None

"""Organization → Settings: who may, what is refused, one entry each, two tabs, and what follows from each setting."""

import re
from datetime import timedelta

import pytest
from allauth.mfa.models import Authenticator
from django.utils import timezone

from apps.api_keys import actions as keys
from apps.api_keys.actions import Lifetime
from apps.audit.models import ApiCall, AuditEntry
from apps.base.actor import system
from apps.base.errors import Conflict, Forbidden, Invalid
from apps.base.identifiers import uuid_at
from apps.orgs.lookups import shorter_retention_days
from apps.orgs.models import Organization
from apps.orgs.settings import organization_settings
from tests.conftest import PASSWORD
from tests.organizations.forms import OPERATOR, actor_of, hidden, send

pytestmark = pytest.mark.django_db
HERE = "/o/acme/settings/organization/"
SECURITY = {"leak_policy": "quarantine"}


def settings_entries():
    return [entry.changes for entry in AuditEntry.objects.filter(action="organization.updated").order_by("pk")]


def test_the_name_is_changed_by_an_admin_and_recorded_once(browser_of, ann, acme, acme_key, api):
    assert send(browser_of(ann), HERE + "general/", name="  Acme   Journeys ").status_code == 302
    assert settings_entries() == [{"name": ["Acme Travel", "Acme Journeys"]}]
    assert api(acme_key).get("/v1/me").json()["organization"]["name"] == "Acme Journeys"
    assert "Acme Journeys" in browser_of(ann).get(HERE).content.decode()


@pytest.mark.parametrize("name", ["", " ", "x" * 121, "a\u202eb", "ipk_" + "a" * 12 + "b" * 32 + "c" * 6])
def test_a_bad_name_is_refused_beside_the_field(browser_of, ann, acme, name):
    assert send(browser_of(ann), HERE + "general/", name=name).status_code == 422
    assert Organization.objects.get(pk=acme.pk).name == "Acme Travel" and not settings_entries()


def test_nothing_changed_records_nothing(browser_of, ann, acme):
    assert send(browser_of(ann), HERE + "general/", name="Acme Travel").status_code == 302
    assert not settings_entries() and Organization.objects.get(pk=acme.pk).settings_version == 0


def test_two_tabs_do_not_overwrite_each_other(browser_of, ann, ada, acme):
    first, second = browser_of(ann), browser_of(ada)
    old = hidden(first.get(HERE + "general/"))
    assert send(second, HERE + "security/", leak_policy="revoke").status_code == 302
    refused = first.post(HERE + "general/", {**old, "name": "Lost update"})
    page = refused.content.decode()
    assert refused.status_code == 422 and "Somebody changed these settings meanwhile" in page
    assert Organization.objects.get(pk=acme.pk).name == "Acme Travel"
    assert 'value="Lost update"' in page
    # Sent once more, it is meant.
    assert first.post(HERE + "general/", {**hidden(refused), "name": "Lost update"}).status_code == 302
    assert Organization.objects.get(pk=acme.pk).name == "Lost update"


def test_what_is_about_security_asks_who_is_there_and_keeps_what_was_typed(browser_of, ann, acme):
    browser = browser_of(ann, confirmed=False)
    refused = send(browser, HERE + "security/", leak_policy="revoke", longest_key_days="30")
    assert refused.status_code == 422 and not settings_entries()
    assert 'value="30"' in refused.content.decode()
    values = {"leak_policy": "revoke", "longest_key_days": "30", "confirm_password": PASSWORD}
    assert browser.post(HERE + "security/", {**hidden(refused), **values}).status_code == 302
    assert settings_entries() == [{"longest_key_days": [None, 30], "leak_policy": ["quarantine", "revoke"]}]


def test_the_same_form_twice_saves_once(browser_of, ann):
    browser = browser_of(ann)
    form = {**hidden(browser.get(HERE + "security/")), "leak_policy": "tell"}
    assert [browser.post(HERE + "security/", form).status_code for _ in range(2)] == [302, 302]
    assert len(settings_entries()) == 1


@pytest.mark.parametrize(
    "values",
    [{"longest_key_days": "0"}, {"longest_key_days": "3651"}, {"longest_key_days": "x"}, {"leak_policy": "burn"}],
)
def test_bad_values_are_refused(browser_of, ann, values):
    assert send(browser_of(ann), HERE + "security/", **{**SECURITY, **values}).status_code == 422
    assert not settings_entries()


def test_no_form_sets_what_only_the_vendor_sets(browser_of, ada, acme):
    more = {"endpoint_limit": "9", "ceiling_per_minute": "9", "status": "closed", "slug": "other", "kept_until": "2030"}
    send(browser_of(ada), HERE + "general/", name="Acme Travel", **more)
    row = Organization.objects.get(pk=acme.pk)
    assert (row.endpoint_limit, row.ceiling_per_minute, row.status, row.slug) == (None, None, "active", "acme")
    with pytest.raises(Forbidden):
        organization_settings.update_settings(actor=actor_of(ada, acme, "owner"), endpoint_limit=9)
    with pytest.raises(Forbidden):
        organization_settings.update_settings(actor=actor_of(ada, acme, "developer"), name="x")


def test_an_actor_changes_its_own_organization_only(ada, acme, rival):
    organization_settings.update_settings(actor=actor_of(ada, acme), organization_id=rival.pk, name="Mine")
    assert Organization.objects.get(pk=rival.pk).name == "Rival"


# The lifetime of keys


@pytest.fixture
def thirty_days(acme):
    organization_settings.update_settings(actor=system(acme.pk), longest_key_days=30)


def days_of(key):
    return None if key.expires_at is None else round((key.expires_at - timezone.now()) / timedelta(days=1))


def new_key(actor, **values):
    return keys.create_key(actor=actor, name="K", key_type="partner", scopes=["users:read"], **values)[0]


def test_keys_live_no_longer_than_the_organization_says(ann, acme, thirty_days):
    actor = actor_of(ann, acme)
    assert days_of(new_key(actor)) == 30
    assert days_of(new_key(actor, lifetime=Lifetime.days(10))) == 10
    for lifetime in (Lifetime.days(31), Lifetime(never=True, field="never_expires")):
        with pytest.raises(Invalid):
            new_key(actor, lifetime=lifetime)


def test_it_holds_for_keys_that_make_keys(api, admin_key, thirty_days):
    body = {"name": "x", "type": "partner", "scopes": ["users:read"]}
    made = api(admin_key).post("/v1/api-keys", body)
    assert made.status_code == 201
    for more, field in (({"expires_in_days": 31}, "expires_in_days"), ({"never_expires": True}, "never_expires")):
        refused = api(admin_key).post("/v1/api-keys", {**body, **more})
        assert (refused.status_code, list(refused.json()["fields"])) == (400, [field])


def test_only_the_vendor_gives_more_and_only_where_it_says_so(acme, thirty_days):
    vendor = system(acme.pk)
    assert days_of(new_key(vendor)) == 30
    assert days_of(new_key(vendor, lifetime=Lifetime.days(300))) == 300
    assert new_key(vendor, lifetime=Lifetime(never=True)).expires_at is None


def test_rotation_cuts_and_what_lives_longer_is_listed_and_unchanged(browser_of, ann, acme, make_key):
    long = make_key(acme, "users:read", name="Long one").row
    organization_settings.update_settings(actor=system(acme.pk), longest_key_days=30)
    ends = long.expires_at
    page = browser_of(ann).get(HERE).content.decode()
    assert "Long one" in page and long.mask in page and "One key lives longer" in page
    long.refresh_from_db()
    assert long.expires_at == ends
    successor, _text = keys.rotate_key(actor=actor_of(ann, acme), key_id=long.public_id, overlap_seconds=0)
    assert days_of(successor) == 30
    assert "Long one" not in browser_of(ann).get(HERE).content.decode()


def test_the_form_for_a_key_offers_no_longer_one(browser_of, ann, acme, thirty_days):
    page = browser_of(ann).get("/o/acme/settings/integration/api-keys/create/?type=partner").content.decode()
    assert re.search(r'<option value="30" selected', page) and "At most 30" in page
    assert 'value="60"' not in page and 'value="never"' not in page


# Two-step sign-in


def second_step(user):
    Authenticator.objects.create(user=user, type=Authenticator.Type.TOTP, data={"secret": "x"})


def test_who_requires_it_has_it(browser_of, ann, acme):
    refused = send(browser_of(ann), HERE + "security/", two_step_required="on", **SECURITY)
    assert (
        refused.status_code == 422 and "Set up two-step sign-in for your own account first" in refused.content.decode()
    )
    second_step(ann)
    assert send(browser_of(ann), HERE + "security/", two_step_required="on", **SECURITY).status_code == 302
    assert settings_entries() == [{"two_step_required": [False, True]}]


def test_members_without_it_are_led_to_it_before_anything_else(browser_of, ann, vera, acme, samples_of_pages):
    organization_settings.update_settings(actor=OPERATOR, organization_id=acme.pk, two_step_required=True)
    browser = browser_of(vera)
    for path in samples_of_pages:
        answer = browser.get(path)
        assert (answer.status_code, answer.headers.get("Location")) == (302, "/account/2fa/"), path
    assert browser.post(HERE + "general/", {"name": "x"}).status_code == 302
    assert "Acme Travel requires two-step sign-in" in browser.get("/account/2fa/").content.decode()
    refused = browser.get("/v1/users?organization=acme", headers={"Accept": "text/html"})
    assert refused.status_code == 403 and "two-step" in refused.content.decode()
    # Recovery codes are no second step.
    Authenticator.objects.create(user=vera, type=Authenticator.Type.RECOVERY_CODES, data={"seed": "x"})
    assert browser.get(samples_of_pages[0]).status_code == 302
    second_step(vera)
    assert browser.get(samples_of_pages[0]).status_code == 200
    assert browser.get("/v1/users?organization=acme", headers={"Accept": "text/html"}).status_code == 200


def test_keys_and_other_organizations_are_not_asked(browser_of, zed, acme, acme_key, api):
    organization_settings.update_settings(actor=OPERATOR, organization_id=acme.pk, two_step_required=True)
    assert api(acme_key).get("/v1/me").status_code == 200
    assert browser_of(zed).get("/o/rival/settings/integration/").status_code == 200
    assert browser_of(zed).get(HERE).status_code == 404


@pytest.fixture
def samples_of_pages():
    return [f"/o/acme/settings/integration/{path}" for path in ("", "api-keys/", "webhooks/", "events/")]


# Retention


def call(acme, days_old):
    moment = timezone.now() - timedelta(days=days_old)
    return ApiCall.objects.create(
        pk=uuid_at(moment), organization=acme, at=moment, actor_kind="system", actor_id="x", actor_label="x",
        method="GET", route="/v1/me", status=200, duration_ms=1,
    )  # fmt: skip


def test_fewer_days_ask_first_and_say_what_goes(browser_of, ann, acme, rival):
    for organization, age in ((acme, 20), (acme, 40), (acme, 5), (rival, 40)):
        call(organization, age)
    browser = browser_of(ann)
    refused = send(browser, HERE + "retention/", retention_days_calls="10")
    page = refused.content.decode()
    assert refused.status_code == 422 and "2 rows older than 10 days" in page and not settings_entries()
    again = browser.post(HERE + "retention/", {**hidden(refused), "retention_days_calls": "10", "confirm": "on"})
    assert again.status_code == 302
    assert settings_entries() == [{"retention_days_calls": [None, 10]}]
    # Longer again needs no tick.
    assert send(browser, HERE + "retention/", retention_days_calls="30").status_code == 302
    assert "30 days" in browser.get(HERE).content.decode()


@pytest.mark.parametrize(
    "values", [{"retention_days_audit": "29"}, {"retention_days_audit": "366"}, {"retention_days_deliveries": "0"}]
)
def test_days_stay_within_the_operators(browser_of, ann, values):
    assert send(browser_of(ann), HERE + "retention/", confirm="on", **values).status_code == 422
    assert not settings_entries()


def test_days_for_retention_are_those_that_are_shorter(acme, rival, settings):
    settings.RETENTION_DAYS_DELIVERIES = 20
    Organization.objects.filter(pk=acme.pk).update(retention_days_deliveries=7)
    Organization.objects.filter(pk=rival.pk).update(retention_days_deliveries=90)
    assert shorter_retention_days("deliveries") == {acme.pk: 7} and shorter_retention_days("audit") == {}


def test_a_figure_that_the_operator_undercut_since_does_not_block_the_form(acme, settings):
    organization_settings.update_settings(actor=system(acme.pk), retention_days_calls=90)
    settings.RETENTION_DAYS_API_CALLS = 30
    organization_settings.update_settings(actor=system(acme.pk), retention_days_calls=90, retention_days_deliveries=9)
    assert Organization.objects.get(pk=acme.pk).retention_days_deliveries == 9


# Versions, from the action


def test_an_old_version_is_a_conflict_and_no_version_is_none(acme):
    organization_settings.update_settings(actor=system(acme.pk), version=0, leak_policy="tell")
    with pytest.raises(Conflict):
        organization_settings.update_settings(actor=system(acme.pk), version=0, leak_policy="revoke")
    organization_settings.update_settings(actor=system(acme.pk), leak_policy="revoke")
    assert Organization.objects.get(pk=acme.pk).settings_version == 2

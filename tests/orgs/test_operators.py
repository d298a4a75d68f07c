"""The operators' admin: who gets in, and that every change is in the audit log."""

import pytest
from allauth.mfa.models import Authenticator

from apps.api_keys.models import KeyType
from apps.audit.models import AuditEntry
from apps.orgs.models import Organization

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator(person):
    olga = person("Olga", is_staff=True, is_superuser=True)
    Authenticator.objects.create(user=olga, type=Authenticator.Type.TOTP, data={"secret": "x"})
    return olga


def test_customers_do_not_get_in(browser_of, ada):
    assert browser_of(ada).get("/admin/").status_code == 302


def test_every_list_opens(browser_of, operator, acme_key):
    from django.contrib import admin

    browser = browser_of(operator)
    for model in admin.site._registry:
        page = browser.get(f"/admin/{model._meta.app_label}/{model._meta.model_name}/")
        assert page.status_code == 200, model
        assert acme_key.row.digest not in page.content.decode()


def test_suspending_is_recorded_and_holds(browser_of, operator, acme, acme_key, api):
    browser = browser_of(operator)
    data = {"name": "Acme Travel", "status": "suspended", "status_reason": "unpaid", "leak_policy": "tell"}
    answer = browser.post(f"/admin/orgs/organization/{acme.pk}/change/", data)
    assert answer.status_code == 302
    assert Organization.objects.get(pk=acme.pk).status == "suspended"
    entry = AuditEntry.objects.get(action="organization.suspended")
    assert (entry.actor_kind, entry.organization_id) == ("operator", acme.pk)
    assert entry.changes["status"] == ["active", "suspended"]
    assert api(acme_key).get("/v1/me").json()["code"] == "organization_suspended"


def test_a_changed_key_type_is_recorded(browser_of, operator):
    kind = KeyType.objects.get(name="partner")
    browser = browser_of(operator)
    data = {
        "name": "partner", "title": "Partner", "description": "d", "scopes": ["*"], "made_by": "admins",
        "limit_minute": "7", "default_days": "90", "is_active": "on", "position": "10",
    }  # fmt: skip
    assert browser.post(f"/admin/api_keys/keytype/{kind.pk}/change/", data).status_code == 302
    entry = AuditEntry.objects.get(action="key_type.updated")
    assert entry.changes["limit_minute"] == [None, 7]


def test_no_secret_and_no_way_to_make_a_key(browser_of, operator, acme_key):
    browser = browser_of(operator)
    assert browser.get("/admin/api_keys/apikey/add/").status_code == 403
    page = browser.get(f"/admin/api_keys/apikey/{acme_key.row.pk}/change/").content.decode()
    assert acme_key.row.mask in page and acme_key.row.digest not in page


def test_suspending_holds_deliveries_and_resuming_sends_them(browser_of, operator, acme):
    from apps.base.actor import system
    from apps.webhooks import actions, publishing
    from apps.webhooks.models import Delivery

    actions.create_endpoint(actor=system(acme.pk), url="https://hooks.acme.example/in", event_types=["*"])
    publishing.publish(organization_id=acme.pk, event_type="order.created", data={})
    browser, path = browser_of(operator), f"/admin/orgs/organization/{acme.pk}/change/"
    data = {"name": "Acme Travel", "status": "suspended", "status_reason": "unpaid", "leak_policy": "tell"}
    browser.post(path, data)
    assert [row.status for row in Delivery.objects.all()] == ["held"]
    publishing.publish(organization_id=acme.pk, event_type="order.created", data={})
    browser.post(path, {**data, "status": "active"})
    assert [row.status for row in Delivery.objects.all()] == ["pending", "pending"]


def test_second_factors_addresses_and_sessions_are_nobodys_to_edit():
    from django.contrib import admin

    labels = {model._meta.app_label for model in admin.site._registry}
    assert labels == {"api_keys", "audit", "credentials", "notices", "orgs", "webhooks"}


def test_the_first_sign_in_sets_up_the_second_step(browser_of, operator):
    Authenticator.objects.all().delete()
    browser = browser_of(operator)
    answer = browser.get("/admin/", follow=True)
    assert "/account/2fa/totp/activate/" in [url for url, _status in answer.redirect_chain]
    assert browser.get("/admin/orgs/organization/").status_code == 302

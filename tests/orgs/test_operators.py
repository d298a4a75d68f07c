"""The operators' admin: who gets in, and that every change is in the audit log."""

import io
import json

import pytest
from allauth.mfa.models import Authenticator
from django.core.management import CommandError, call_command

from apps.api_keys.models import KeyType
from apps.audit.models import AuditEntry
from apps.base.actor import system
from apps.base.errors import Conflict, Forbidden
from apps.orgs.models import Membership, Organization, User
from apps.orgs.support_access import operators
from tests.engines import in_threads

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
    assert labels == {"api_keys", "audit", "credentials", "notices", "orgs", "sdk_keys", "webhooks"}


def test_the_first_sign_in_sets_up_the_second_step(browser_of, operator):
    Authenticator.objects.all().delete()
    browser = browser_of(operator)
    answer = browser.get("/admin/", follow=True)
    assert "/account/2fa/totp/activate/" in [url for url, _status in answer.redirect_chain]
    assert browser.get("/admin/orgs/organization/").status_code == 302


# Who is an operator


def command(*words):
    out = io.StringIO()
    call_command(*words, "--json", stdout=out)
    return json.loads(out.getvalue())


def test_operators_are_made_and_removed_by_command_and_both_are_recorded(browser_of, operator):
    made = command("create_operator", "--email", "Otto@vendor.example")
    assert made["email"] == "otto@vendor.example" and made["set_password_link"].startswith("http")
    assert command("remove_operator", "--email", "OTTO@vendor.example") == {"removed": "otto@vendor.example"}
    assert not User.objects.filter(email="otto@vendor.example").exists()
    entries = AuditEntry.objects.filter(action__startswith="operator.").order_by("pk")
    assert [(row.action, row.target_label, row.organization.slug) for row in entries] == [
        ("operator.created", "otto@vendor.example", "platform"),
        ("operator.removed", "otto@vendor.example", "platform"),
    ]


def test_a_removed_operator_loses_access_at_the_next_request(browser_of, operator, person, acme):
    person("Otto", is_staff=True, is_superuser=True)
    Membership.objects.create(organization=acme, user=operator)
    browser = browser_of(operator)
    assert browser.get("/admin/").status_code == 200
    command("remove_operator", "--email", operator.email)
    assert browser.get("/admin/").status_code == 302
    operator.refresh_from_db()
    # A member of an organization stays one.
    assert (operator.is_staff, operator.is_superuser, operator.is_active) == (False, False, True)


def test_the_last_operator_stays(operator, person):
    person("Ida", is_staff=True, is_superuser=True, is_active=False)
    with pytest.raises(CommandError, match=r"last operator. Make another one first"):
        command("remove_operator", "--email", operator.email)
    assert User.objects.filter(pk=operator.pk, is_staff=True).exists()


@pytest.mark.parametrize("email", ["nobody@vendor.example", "ada@acme.example", "", "x\ny"])
def test_who_is_no_operator_cannot_be_removed(operator, ada, email):
    with pytest.raises(CommandError, match="There is no operator"):
        command("remove_operator", "--email", email)
    assert User.objects.filter(pk=ada.pk).exists()


@pytest.mark.django_db(transaction=True)
def test_two_operators_who_remove_each_other_leave_one(person):
    emails = [person(name, is_staff=True, is_superuser=True).email for name in ("Olga", "Otto")]

    def remove(number):
        try:
            operators.remove_operator(actor=system(label="test"), email=emails[number])
        except Conflict:
            return "refused"
        return "removed"

    assert sorted(in_threads(2, remove)) == ["refused", "removed"]
    assert User.objects.filter(is_staff=True).count() == 1


def test_customers_and_keys_make_no_operators(ada, acme):
    from apps.base.actor import Actor, ActorKind

    owner = Actor(kind=ActorKind.USER, id="x", label="x", organization_id=acme.pk, permissions=frozenset({"admin"}))
    for action in (operators.create_operator, operators.remove_operator):
        with pytest.raises(Forbidden):
            action(actor=owner, email="x@vendor.example")


def test_that_an_account_has_two_steps_is_not_enough_for_a_session_that_began_before(browser_of, operator, client):
    """Somebody who knew the password was signed in before the second step was set up."""
    early = browser_of(operator, second_step=False)
    answer = early.get("/admin/orgs/user/?q=x", follow=True)
    assert answer.redirect_chain[-1][0].startswith("/account/reauthenticate/?next=")
    assert early.get("/admin/login/?next=https://evil.example/")["Location"].endswith("?next=%2Fadmin%2F")
    assert early.post("/admin/login/", {"username": operator.email, "password": "x"}).status_code == 302

"""Support access: read-only, from one session, for a limited time, recorded in the customer's log."""

from datetime import timedelta

import pytest
from allauth.mfa.models import Authenticator
from django.utils import timezone

from apps.audit.models import AuditEntry
from apps.base.errors import Conflict, Forbidden, Invalid
from apps.base.permissions import Permission
from apps.orgs.models import Membership, OperatorLook, Organization
from apps.orgs.support_access import actions as support_access_actions
from apps.orgs.support_access import operators, support_session
from apps.webhooks.models import Endpoint
from tests.conventions.conftest import operator, samples, working_operator  # noqa: F401
from tests.conventions.routes import routes_for

pytestmark = pytest.mark.django_db
HERE = "/o/acme/settings/integration/"


def ask(browser, organization, **values):
    """Open the form, send it as a person does."""
    path = f"/admin/orgs/organization/{organization.pk}/look/"
    token = browser.get(path).context["form"]["token"].value()
    return browser.post(path, {"token": token, "reason": "Ticket 4711", **values})


@pytest.fixture
def olga(working_operator, browser_of):  # noqa: F811
    return browser_of(working_operator)


@pytest.fixture
def looking_at_acme(olga, acme):
    assert ask(olga, acme)["Location"] == HERE
    return olga


def test_without_it_a_customers_pages_are_not_there(olga, acme):
    assert olga.get(HERE).status_code == 404


def test_it_begins_with_a_reason_in_the_customers_log_and_every_page_says_so(looking_at_acme, acme, browser_of, ada):
    entry = AuditEntry.objects.get(action="operator.look_began")
    assert (entry.organization_id, entry.actor_kind, entry.target_id) == (acme.pk, "operator", acme.public_id)
    assert entry.changes["reason"] == [None, "Ticket 4711"]
    page = looking_at_acme.get(HERE).content.decode()
    assert "You look at Acme Travel as an operator" in page and "Ticket 4711" in page
    assert looking_at_acme.get(f"{HERE}nowhere/").status_code == 404
    log = browser_of(ada).get(f"{HERE}audit/").content.decode()
    assert "olga@vendor.example began to look at Acme Travel. Reason: Ticket 4711" in log
    assert "as an operator" not in browser_of(ada).get(HERE).content.decode()


def test_every_page_can_be_read_or_is_refused_and_nothing_changes(looking_at_acme, samples, acme):  # noqa: F811
    before = [list(model.objects.order_by("pk").values()) for model in (Endpoint, Membership, AuditEntry)]
    refused = []
    for route in routes_for("page"):
        path = route.at(slug="acme", **samples.real(route))
        if "GET" in route.methods:
            answer = looking_at_acme.get(path)
            assert answer.status_code in (200, 302, 403), path
            refused += [route.name] if answer.status_code == 403 else []
            assert not answer.has_header("Content-Disposition"), path
        for method in ("post", "put", "patch", "delete"):
            assert getattr(looking_at_acme, method)(path).status_code in (403, 405), path
        assert looking_at_acme.post(path).status_code == 403, path
    assert [list(model.objects.order_by("pk").values()) for model in (Endpoint, Membership, AuditEntry)] == before
    assert {"api_key_create", "webhook_edit", "api_key_inventory_csv", "webhook_replay"} <= set(refused)
    assert not {"overview", "members", "api_keys", "webhooks", "audit", "delivery", "usage"} & set(refused)


def test_nothing_of_another_organization_is_seen(looking_at_acme, samples, rival, zed):  # noqa: F811
    for route in routes_for("page"):
        path = route.at(slug="rival", **samples.real(route))
        assert {looking_at_acme.get(path).status_code, looking_at_acme.post(path).status_code} == {404}
        page = looking_at_acme.get(route.at(slug="acme", **samples.real(route)))
        assert "Rival" not in page.content.decode()
    assert looking_at_acme.session.get("organization") is None


def test_support_access_does_not_open_the_api(looking_at_acme):
    for path in ("/v1/users?organization=acme", "/v1/me?organization=acme"):
        assert looking_at_acme.get(path, headers={"Accept": "text/html"}).status_code == 404
        assert looking_at_acme.get(path).status_code == 401


def test_another_session_of_the_operator_does_not_look(looking_at_acme, browser_of, working_operator):  # noqa: F811
    assert browser_of(working_operator).get(HERE).status_code == 404
    assert browser_of(working_operator, second_step=False).get(HERE).status_code == 404
    assert looking_at_acme.get(HERE).status_code == 200


def test_the_end_is_one_click_and_is_recorded_once(looking_at_acme, acme):
    looking_at_acme.get(HERE)
    looking_at_acme.get(f"{HERE}webhooks/")
    path = f"/admin/orgs/organization/{acme.pk}/look/end/"
    assert looking_at_acme.get(path).status_code == 302 and looking_at_acme.get(HERE).status_code == 200
    for _twice in range(2):
        assert looking_at_acme.post(path)["Location"] == f"/admin/orgs/organization/{acme.pk}/change/"
    assert looking_at_acme.get(HERE).status_code == 404
    entry = AuditEntry.objects.get(action="operator.look_ended")
    assert (entry.organization_id, entry.changes["pages"]) == (acme.pk, [None, 3])


def test_it_ends_by_itself_after_half_an_hour_and_a_sweep_records_it_once(looking_at_acme, acme):
    look = OperatorLook.objects.get()
    assert timedelta(minutes=29) < look.until - timezone.now() <= timedelta(minutes=30)
    OperatorLook.objects.update(until=timezone.now())
    assert looking_at_acme.get(HERE).status_code == 404
    assert (
        support_access_actions.end_expired_support_access() == 1
        and support_access_actions.end_expired_support_access() == 0
    )
    entry = AuditEntry.objects.get(action="operator.look_ended")
    assert (entry.organization_id, entry.actor_label) == (acme.pk, "olga@vendor.example")


@pytest.mark.parametrize("change", [{"is_staff": False}, {"is_active": False}, {"session_epoch": 7}])
def test_who_is_no_operator_any_more_sees_nothing(looking_at_acme, working_operator, change):  # noqa: F811
    type(working_operator).objects.filter(pk=working_operator.pk).update(**change)
    assert looking_at_acme.get(HERE).status_code in (302, 404)


def test_a_second_factor_that_is_gone_ends_it(looking_at_acme):
    Authenticator.objects.all().delete()
    assert looking_at_acme.get(HERE).status_code == 404


@pytest.mark.parametrize("values", [{"reason": ""}, {"reason": "  "}, {"reason": "x" * 201}, {"token": "x"}])
def test_an_invalid_form_starts_no_support_access(olga, acme, values):
    assert ask(olga, acme, **values).status_code == 200
    assert not OperatorLook.objects.exists() and not AuditEntry.objects.filter(action="operator.look_began").exists()


def test_starting_it_asks_to_confirm_the_password_when_the_confirmation_is_old(working_operator, browser_of, acme):  # noqa: F811
    browser = browser_of(working_operator, confirmed=False)
    assert ask(browser, acme).status_code == 200 and not OperatorLook.objects.exists()
    assert ask(browser, acme, confirm_password="wrong").status_code == 200 and not OperatorLook.objects.exists()
    assert ask(browser, acme, confirm_password="correct horse battery")["Location"] == HERE


def test_customers_cannot_start_support_access(browser_of, ada, acme, client):
    for path in (f"/admin/orgs/organization/{acme.pk}/look/", f"/admin/orgs/organization/{acme.pk}/look/end/"):
        for browser in (browser_of(ada), client):
            assert {browser.get(path).status_code, browser.post(path, {"reason": "x"}).status_code} == {302}
    assert not OperatorLook.objects.exists()


def test_the_vendors_own_and_closed_organizations_are_not_looked_at(olga, acme):
    platform = Organization.objects.get(slug="platform")
    assert ask(olga, platform).status_code == 200
    Organization.objects.filter(pk=acme.pk).update(status="closed")
    assert ask(olga, acme).status_code == 200
    assert not OperatorLook.objects.exists()


def test_a_closed_organization_ends_it(looking_at_acme, acme):
    Organization.objects.filter(pk=acme.pk).update(status="closed")
    assert looking_at_acme.get(HERE).status_code == 404


def test_the_actor_of_it_holds_no_right_to_change(rf, working_operator, acme):  # noqa: F811
    request = rf.get("/")
    request.user, request.client_address, request.request_id = working_operator, "", ""
    actor = support_session.operator_actor(request, OperatorLook(organization=acme))
    held = {str(permission) for permission in Permission if actor.can(permission)}
    assert held == {
        "users:read", "api_keys:read", "webhooks:read", "sdk_keys:read", "audit:read", "usage:read", "members:read",
        "organization:read",
    }  # fmt: skip
    assert not actor.grantable_of(["users:read"])
    with pytest.raises(Forbidden):
        actor.require(Permission.API_KEYS_WRITE)
    with pytest.raises(Forbidden):
        support_access_actions.start_support_access(actor=actor, organization=acme, reason="x", session_key="x")
    with pytest.raises(Forbidden):
        operators.remove_operator(actor=actor, email=working_operator.email)


def test_rules_of_the_action_hold_without_the_form(rf, working_operator, acme, ada):  # noqa: F811
    from apps.audit.operator_admin import operator_of

    request = rf.get("/")
    request.user, request.client_address, request.request_id = working_operator, "", ""
    olga = operator_of(request)
    with pytest.raises(Invalid):
        support_access_actions.start_support_access(actor=olga, organization=acme, reason=" \n", session_key="x")
    Membership.objects.create(organization=acme, user=working_operator)
    with pytest.raises(Conflict):
        support_access_actions.start_support_access(actor=olga, organization=acme, reason="x", session_key="x")
    assert not OperatorLook.objects.exists()


def test_beginning_again_ends_the_earlier_one(looking_at_acme, acme):
    assert ask(looking_at_acme, acme)["Location"] == HERE
    assert OperatorLook.objects.filter(ended_at=None).count() == 1
    assert AuditEntry.objects.filter(action="operator.look_ended").count() == 1

"""What operators change of the catalogue: it is recorded, it holds at the next call, and a slip gives no right."""

import pytest
from allauth.mfa.models import Authenticator
from django.contrib.admin.models import LogEntry

from apps.api_keys import actions
from apps.api_keys.models import KeyType, Package, Scope
from apps.audit.models import AuditEntry
from apps.base.actor import system
from apps.base.errors import Conflict, Forbidden

pytestmark = pytest.mark.django_db
PARTNER = {
    "title": "Partner", "description": "d", "scopes": ["users:read"], "limit_minute": "7", "default_days": "30",
    "longest_days": "60", "cap": "2", "made_by": "owners", "is_active": "on", "position": "10",
}  # fmt: skip


@pytest.fixture
def operator(browser_of, person):
    olga = person("Olga", is_staff=True, is_superuser=True)
    Authenticator.objects.create(user=olga, type=Authenticator.Type.TOTP, data={"secret": "x"})
    return browser_of(olga)


def change(browser, model, pk, data):
    return browser.post(f"/admin/api_keys/{model}/{pk}/change/", data)


@pytest.mark.django_db(transaction=True)
def test_a_type_is_changed_by_ticks(operator, api, admin_key, acme_key):
    kind = KeyType.objects.get(name="partner")
    assert change(operator, "keytype", kind.pk, PARTNER).status_code == 302
    kind.refresh_from_db()
    assert (kind.name, kind.scopes, kind.cap, kind.made_by) == ("partner", ["users:read"], 2, "owners")
    entry = AuditEntry.objects.get(action="key_type.updated")
    assert entry.changes["scopes"] == [["*"], ["users:read"]]
    # The new limit holds at the next call, and the list that is empty now allows nothing.
    assert api(acme_key).get("/v1/me").json()["limits"][0]["limit"] == 7
    change(operator, "keytype", kind.pk, {**PARTNER, "scopes": [], "made_by": "admins"})
    answer = api(admin_key).post("/v1/api-keys", {"name": "x", "type": "partner", "scopes": ["users:read"]})
    assert (answer.status_code, list(answer.json()["fields"])) == (400, ["scopes"])


@pytest.mark.parametrize(
    "slip",
    [
        {"scopes": ["nonsense"]},
        {"default_days": "90"},
        {"default_days": ""},
        {"default_days": "0"},
        {"longest_days": "0"},
        {"longest_days": "3651"},
        {"limit_minute": "many"},
        {"cap": "-1"},
        {"made_by": "all"},
    ],
)
def test_an_invalid_form_changes_nothing(operator, slip):
    kind = KeyType.objects.get(name="partner")
    assert change(operator, "keytype", kind.pk, PARTNER | slip).status_code == 200
    assert KeyType.objects.get(name="partner").scopes == ["*"]
    assert not AuditEntry.objects.filter(action="key_type.updated").exists()


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("trips:read", 302),
        ("trips", 200),
        ("Trips:read", 200),
        ("admin", 200),
        ("organization:own", 200),
        ("a:b c", 200),
    ],
)
def test_a_new_scope_is_a_resource_and_an_action_and_no_right_of_people(operator, name, status):
    data = {"name": name, "description": "See trips", "position": "1000"}
    assert operator.post("/admin/api_keys/scope/add/", data).status_code == status
    assert Scope.objects.filter(name=name).exists() == (status == 302)


@pytest.mark.django_db(transaction=True)
def test_an_added_scope_and_type_serve_at_once(operator, api, admin_key):
    operator.post("/admin/api_keys/scope/add/", {"name": "trips:read", "description": "See trips", "position": "9"})
    data = {**PARTNER, "name": "traveller", "scopes": ["trips:read"], "made_by": "admins"}
    assert operator.post("/admin/api_keys/keytype/add/", data).status_code == 302
    made = api(admin_key).post("/v1/api-keys", {"name": "x", "type": "traveller", "scopes": ["trips:read"]})
    assert (made.status_code, made.json()["scopes"], made.json()["limits"]["minute"]) == (201, ["trips:read"], 7)


@pytest.mark.django_db(transaction=True)
def test_switching_off_holds_at_the_next_call_and_is_in_the_organizations_log(operator, api, acme, acme_key, rival_key):
    for key in (acme_key, rival_key):
        assert api(key).get("/v1/users").status_code == 200
    data = {"organization": acme.pk, "types_off": [], "scopes_off": ["users:read", "users:write"], "contact": "Ask us."}
    assert operator.post("/admin/api_keys/package/add/", data).status_code == 302
    assert api(acme_key).get("/v1/users").json()["code"] == "insufficient_scope"
    assert api(rival_key).get("/v1/users").status_code == 200
    assert AuditEntry.objects.get(action="package.created").organization_id == acme.pk
    data = {"types_off": ["partner"], "scopes_off": [], "contact": "Ask us."}
    assert change(operator, "package", acme.pk, data).status_code == 302
    assert api(acme_key).get("/v1/me").json()["code"] == "forbidden"
    entry = AuditEntry.objects.get(action="package.updated")
    assert entry.changes == {"types_off": [[], ["partner"]], "scopes_off": [["users:read", "users:write"], []]}
    assert Package.objects.get().organization_id == acme.pk


@pytest.mark.parametrize("name", ["Field agent", "field-agent", "9lives", "partner", "", "x" * 41])
def test_a_name_that_the_api_cannot_carry_is_refused(operator, name):
    page = operator.post("/admin/api_keys/keytype/add/", {**PARTNER, "name": name})
    assert page.status_code == 200 and KeyType.objects.count() == 5
    assert not AuditEntry.objects.filter(action="key_type.created").exists()


def test_name_and_platform_setting_of_a_type_cannot_be_changed(operator):
    kind = KeyType.objects.get(name="partner")
    change(operator, "keytype", kind.pk, {**PARTNER, "name": "other", "platform_only": "on", "is_builtin": ""})
    kind.refresh_from_db()
    assert (kind.name, kind.platform_only, kind.is_builtin) == ("partner", False, True)
    with pytest.raises(Conflict):
        actions.save_key_type(actor=system(label="test"), row=kind, changes={"platform_only": [False, True]})


def delete(browser, model, row):
    return browser.post(f"/admin/api_keys/{model}/{row.pk}/delete/", {"post": "yes"}, follow=True)


def test_a_scope_is_deleted_only_when_nothing_refers_to_it(operator, make_key, acme):
    operator.post("/admin/api_keys/scope/add/", {"name": "trips:read", "description": "See trips", "position": "9"})
    operator.post("/admin/api_keys/keytype/add/", {**PARTNER, "name": "traveller", "scopes": ["trips:read"]})
    scope, kind = Scope.objects.get(name="trips:read"), KeyType.objects.get(name="traveller")
    key = make_key(acme, "trips:read", type="traveller", name="Tours")
    answer = delete(operator, "scope", scope)
    assert "Live keys hold this scope, such as Tours (ipk_" in answer.content.decode()
    actions.revoke_key(actor=system(acme.pk), key_id=key.row.public_id)
    assert "Key types may hold this scope: Partner" in delete(operator, "scope", scope).content.decode()
    assert "Keys were made by this type" in delete(operator, "keytype", kind).content.decode()
    change(operator, "keytype", kind.pk, {**PARTNER, "scopes": []})
    assert delete(operator, "scope", scope).status_code == 200 and not Scope.objects.filter(pk=scope.pk).exists()
    assert AuditEntry.objects.filter(action="scope.deleted").count() == 1
    assert KeyType.objects.filter(pk=kind.pk).exists()


def test_what_comes_with_the_portal_is_not_deleted(operator):
    for model, row in (
        ("scope", Scope.objects.get(name="users:read")),
        ("keytype", KeyType.objects.get(name="client")),
    ):
        assert delete(operator, model, row).status_code == 403 and type(row).objects.filter(pk=row.pk).exists()
    with pytest.raises(Conflict):
        actions.delete_scope(actor=system(label="test"), row=Scope.objects.get(name="users:read"))


def test_a_type_without_keys_can_be_deleted(operator):
    operator.post("/admin/api_keys/keytype/add/", {**PARTNER, "name": "traveller"})
    assert delete(operator, "keytype", KeyType.objects.get(name="traveller")).status_code == 200
    assert not KeyType.objects.filter(name="traveller").exists()
    assert AuditEntry.objects.get(action="key_type.deleted").changes == {"title": ["Partner", None]}


def test_an_unchanged_form_changes_and_records_nothing(operator):
    scope = Scope.objects.get(name="users:read")
    data = {"description": scope.description, "position": scope.position}
    assert change(operator, "scope", scope.pk, data).status_code == 302
    assert not AuditEntry.objects.filter(action="scope.updated").exists()


def test_a_change_of_somebody_else_meanwhile_is_said_and_not_lost(operator, monkeypatch):
    scope = Scope.objects.get(name="users:read")
    original = actions.save_scope

    def after_somebody(*, actor, row, changes):
        Scope.objects.filter(pk=row.pk).update(description="Theirs")
        return original(actor=actor, row=row, changes=changes)

    monkeypatch.setattr("apps.api_keys.admin.pages.ScopeAdmin.save_action", staticmethod(after_somebody))
    path = f"/admin/api_keys/scope/{scope.pk}/change/"
    page = operator.post(path, {"description": "Mine", "position": scope.position}, follow=True)
    assert "Somebody changed this meanwhile" in page.content.decode()
    assert Scope.objects.get(pk=scope.pk).description == scope.description  # rolled back together with theirs
    assert not AuditEntry.objects.filter(action="scope.updated").exists()


def test_every_change_is_recorded_once_and_shown_as_the_rows_history(operator):
    kind = KeyType.objects.get(name="partner")
    change(operator, "keytype", kind.pk, PARTNER)
    assert AuditEntry.objects.filter(action="key_type.updated").count() == 1 and not LogEntry.objects.exists()
    page = operator.get(f"/admin/api_keys/keytype/{kind.pk}/history/").content.decode()
    assert "changed the key type partner" in page and "limit_minute" in page
    assert "changed the key type partner" in operator.get("/admin/").content.decode()


def test_only_operators_act_on_the_catalogue(acme, ada):
    from apps.base.actor import Actor, ActorKind
    from apps.orgs.roles import PERMISSIONS

    owner = Actor(kind=ActorKind.USER, id="x", label="x", organization_id=acme.pk, permissions=PERMISSIONS["owner"])
    kind, scope = KeyType.objects.get(name="partner"), Scope.objects.get(name="users:read")
    for action, row in (
        (actions.save_key_type, kind), (actions.delete_key_type, kind), (actions.save_scope, scope),
        (actions.delete_scope, scope), (actions.save_package, Package(organization=acme)),
    ):  # fmt: skip
        with pytest.raises(Forbidden):
            action(actor=owner, row=row, **({"changes": {}} if "save" in action.__name__ else {}))


@pytest.mark.parametrize("odd", ["nonsense", "9" * 30, "a\nb", "\x00"])
def test_an_organization_that_is_no_id_is_refused_beside_the_field(operator, odd):
    where = "/admin/api_keys/package/add/"
    assert operator.get(where, {"organization": odd}).status_code == 200
    answer = operator.post(where, {"organization": odd, "contact": "x"})
    assert answer.status_code == 200 and "errorlist" in answer.content.decode()
    assert not Package.objects.exists()

"""What operators change of the catalogue: it is recorded, it holds at the next call, and a slip gives no right."""

import pytest
from allauth.mfa.models import Authenticator

from apps.api_keys.models import KeyType, Package, Scope
from apps.audit.models import AuditEntry

pytestmark = pytest.mark.django_db(transaction=True)
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
    "slip", [{"scopes": ["nonsense"]}, {"default_days": "90"}, {"default_days": ""}, {"cap": "-1"}, {"made_by": "all"}]
)
def test_a_slip_changes_nothing(operator, slip):
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


def test_an_added_scope_and_type_serve_at_once(operator, api, admin_key):
    operator.post("/admin/api_keys/scope/add/", {"name": "trips:read", "description": "See trips", "position": "9"})
    data = {**PARTNER, "name": "traveller", "scopes": ["trips:read"], "made_by": "admins"}
    assert operator.post("/admin/api_keys/keytype/add/", data).status_code == 302
    made = api(admin_key).post("/v1/api-keys", {"name": "x", "type": "traveller", "scopes": ["trips:read"]})
    assert (made.status_code, made.json()["scopes"], made.json()["limits"]["minute"]) == (201, ["trips:read"], 7)


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

"""The life of a key over the API: change, rotate, revoke, disable, enable, release."""

from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from apps.api_keys import actions
from apps.api_keys.actions import Lifetime
from apps.api_keys.models import ApiKey, KeyCreators, KeyType, Package
from apps.audit.models import AuditEntry
from apps.base.actor import system
from apps.webhooks.models import Event

pytestmark = pytest.mark.django_db(transaction=True)


def path(key, *words):
    return "/".join(("/v1/api-keys", key.row.public_id, *words))


def entries(key, action):
    return AuditEntry.objects.filter(action=action, target_id=key.row.public_id)


def code(answer):
    return answer.status_code, answer.json().get("code")


# PATCH


def test_it_changes_what_is_named_and_records_old_and_new(api, acme_key, make_key, acme):
    key = make_key(acme, "users:write", "orders:read", name="Export")
    body = {
        "name": "Import",
        "allowed_networks": ["203.0.113.7"],
        "limits": {"minute": 7},
        "scopes": ["users:read"],
    }
    answer = api(acme_key).patch(path(key), body)
    assert answer.status_code == 403  # the creator has no orders:read, which the key has
    strong = make_key(acme, "admin", type="internal")
    answer = api(strong).patch(path(key), body)
    assert answer.status_code == 200
    got = answer.json()
    assert (got["name"], got["allowed_networks"], got["scopes"]) == ("Import", ["203.0.113.7/32"], ["users:read"])
    assert got["limits"] == {"minute": 7, "hour": 5000}
    assert entries(key, "api_key.updated").get().changes == {
        "name": ["Export", "Import"],
        "scopes": [["users:write", "orders:read"], ["users:read"]],
        "allowed_networks": [[], ["203.0.113.7/32"]],
        "limit_minute": [None, 7],
    }
    assert code(api(key).get("/v1/users")) == (403, "ip_not_allowed")


def test_the_same_again_is_no_change(api, admin_key, acme_key):
    assert api(admin_key).patch(path(acme_key), {"name": "Acme's key"}).status_code == 200
    assert not entries(acme_key, "api_key.updated").exists()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "body"),
        ({"scopes": ["orders:write"]}, "scopes"),
        ({"scopes": ["nonsense"]}, "scopes"),
        ({"scopes": ["admin"]}, "scopes"),
        ({"type": "internal"}, "type"),
        ({"subject": "x"}, "subject"),
        ({"expires_in_days": 5}, "expires_in_days"),
        ({"limits": {"minute": 101}}, "limits"),
        ({"limits": {"minute": 0}}, "limits.minute"),
        ({"allowed_networks": ["nowhere"]}, "allowed_networks"),
        ({"name": ""}, "name"),
    ],
)
def test_a_change_that_cannot_be_names_the_field(api, admin_key, acme_key, body, field):
    before = ApiKey.objects.values().get(pk=acme_key.row.pk)
    answer = api(admin_key).patch(path(acme_key), body)
    assert answer.status_code == 400 and field in answer.json()["fields"]
    assert ApiKey.objects.values().get(pk=acme_key.row.pk) == before


def test_a_limit_goes_back_to_the_types(api, admin_key, make_key, acme):
    key = make_key(acme, "users:read", limits={"minute": 5, "hour": 50})
    got = api(admin_key).patch(path(key), {"limits": {"minute": None}}).json()
    assert got["limits"] == {"minute": 100, "hour": 50}


def test_fewer_scopes_hold_at_the_next_call(api, admin_key, acme_key):
    assert api(acme_key).get("/v1/users").status_code == 200
    assert api(admin_key).patch(path(acme_key), {"scopes": ["events:read"]}).status_code == 200
    assert code(api(acme_key).get("/v1/users")) == (403, "insufficient_scope")


# Rotation


def test_rotating_makes_a_linked_key_with_the_same_settings(api, admin_key, make_key, acme):
    old = make_key(
        acme, "orders:read", type="client", subject="c-1", name="Widget", allowed_networks=["127.0.0.0/8"],
        limits={"minute": 10, "hour": None}, lifetime=Lifetime.days(40),
    )  # fmt: skip
    answer = api(admin_key).post(path(old, "rotate"), {"overlap_seconds": 3600})
    assert answer.status_code == 201
    new = answer.json()
    assert new["key"].startswith("ipk_") and new["key"] != old.text
    assert (new["replaces"], new["replaced_by"]) == (old.row.public_id, None)
    kept = ("name", "type", "scopes", "subject", "allowed_networks", "limits")
    was = api(admin_key).get(path(old)).json()
    assert {name: new[name] for name in kept} == {name: was[name] for name in kept}
    assert (was["status"], was["replaced_by"]) == ("overlap", new["id"])
    row, made = ApiKey.objects.get(pk=old.row.pk), ApiKey.objects.get(replaces=old.row)
    assert abs(row.expires_at - timezone.now() - timedelta(hours=1)) < timedelta(seconds=5)
    assert abs(made.expires_at - timezone.now() - timedelta(days=40)) < timedelta(seconds=5)
    assert api(old).get("/v1/me").status_code == api(new["key"]).get("/v1/me").status_code == 200
    assert entries(old, "api_key.rotated").count() == 1
    event = Event.objects.get(type="api_key.rotated")
    assert new["key"] not in event.body and f'"replaces":"{old.row.public_id}"' in event.body


def test_a_key_and_its_successor_share_one_rate_limit(api, admin_key, make_key, acme):
    old = make_key(acme, "users:read", limits={"minute": 3, "hour": None})
    new = api(admin_key).post(path(old, "rotate"), {}).json()["key"]
    answers = [api(key).get("/v1/me").status_code for key in (old, new, old, new, old)]
    assert answers == [200, 200, 200, 429, 429]


def test_without_overlap_the_old_key_ends_at_once(api, admin_key, acme_key):
    assert api(admin_key).post(path(acme_key, "rotate"), {"overlap_seconds": 0}).status_code == 201
    assert api(admin_key).get(path(acme_key)).json()["status"] == "expired"
    assert code(api(acme_key).get("/v1/me")) == (401, "expired_api_key")


def test_the_overlap_never_passes_the_old_end(api, admin_key, make_key, acme):
    key = make_key(acme, "users:read", lifetime=Lifetime.days(2))
    api(admin_key).post(path(key, "rotate"), {"overlap_seconds": 2_592_000})
    assert ApiKey.objects.get(pk=key.row.pk).expires_at == key.row.expires_at


def test_an_endless_key_stays_endless_and_its_overlap_ends(api, make_key, acme):
    key = make_key(acme, "users:read", lifetime=Lifetime(never=True))
    maker = make_key(acme, "admin", type="internal", lifetime=Lifetime(never=True))
    new = api(maker).post(path(key, "rotate"), {}).json()
    assert new["expires_at"] is None
    left = ApiKey.objects.get(pk=key.row.pk).expires_at - timezone.now()
    assert abs(left - timedelta(days=1)) < timedelta(seconds=5)


def test_the_type_cuts_the_lifetime(api, admin_key, make_key, acme):
    key = make_key(acme, "users:read", lifetime=Lifetime(never=True))
    KeyType.objects.filter(name="partner").update(longest_days=30)
    api(admin_key).post(path(key, "rotate"), {})
    made = ApiKey.objects.get(replaces=key.row)
    assert abs(made.expires_at - timezone.now() - timedelta(days=30)) < timedelta(seconds=5)


def test_rotating_again_ends_the_older_overlap(api, admin_key, acme_key):
    second = api(admin_key).post(path(acme_key, "rotate"), {}).json()
    third = api(admin_key).post(f"/v1/api-keys/{second['id']}/rotate", {})
    assert third.status_code == 201
    states = [key["status"] for key in api(admin_key).get("/v1/api-keys").json() if key["name"] == "Acme's key"]
    assert states == ["expired", "overlap", "active"]
    assert code(api(acme_key).get("/v1/me")) == (401, "expired_api_key")


def test_what_has_ended_or_was_replaced_is_not_rotated(api, admin_key, make_key, acme):
    overlap, revoked, expired = (make_key(acme, "users:read") for _ in range(3))
    api(admin_key).post(path(overlap, "rotate"), {})
    api(admin_key).post(path(revoked, "revoke"))
    ApiKey.objects.filter(pk=expired.row.pk).update(expires_at=timezone.now())
    before = ApiKey.objects.count()
    for key in (overlap, revoked, expired):
        assert code(api(admin_key).post(path(key, "rotate"), {})) == (409, "conflict")
    assert ApiKey.objects.count() == before


def test_a_rotation_is_allowed_at_the_key_limit(api, admin_key, make_key, acme):
    keys = [make_key(acme, "users:read", type="user_data") for _ in range(5)]
    assert api(admin_key).post(path(keys[0], "rotate"), {}).status_code == 201
    body = {"name": "x", "type": "user_data", "scopes": ["users:read"]}
    assert code(api(admin_key).post("/v1/api-keys", body)) == (409, "key_limit_reached")
    assert api(admin_key).post(path(keys[1], "rotate"), {"overlap_seconds": 0}).status_code == 201
    assert ApiKey.objects.filter(key_type__name="user_data").live().count() == 6


@pytest.mark.parametrize("seconds", [-1, 2_592_001, "60", 1.5, None, True])
def test_an_overlap_out_of_range_is_refused(api, admin_key, acme_key, seconds):
    answer = api(admin_key).post(path(acme_key, "rotate"), {"overlap_seconds": seconds})
    assert answer.status_code == 400 and list(answer.json()["fields"]) == ["overlap_seconds"]
    assert ApiKey.objects.filter(replaces=acme_key.row).count() == 0


# States


def test_disabling_and_enabling(api, admin_key, acme_key):
    first = api(admin_key).post(path(acme_key, "disable"), {"reason": "Moving"})
    again = api(admin_key).post(path(acme_key, "disable"))
    assert [answer.json()["status"] for answer in (first, again)] == ["disabled", "disabled"]
    assert code(api(acme_key).get("/v1/me")) == (401, "disabled_api_key")
    assert entries(acme_key, "api_key.disabled").get().changes["reason"] == [None, "Moving"]
    back = [api(admin_key).post(path(acme_key, "enable")) for _ in range(2)]
    assert [(answer.status_code, answer.json()["status"]) for answer in back] == [(200, "active")] * 2
    assert entries(acme_key, "api_key.enabled").count() == 1
    assert api(acme_key).get("/v1/me").status_code == 200


def test_an_ended_key_can_only_be_read(api, admin_key, make_key, acme):
    revoked, expired = make_key(acme, "users:read"), make_key(acme, "users:read", lifetime=Lifetime.days(1))
    api(admin_key).post(path(revoked, "revoke"))
    with time_machine.travel(timezone.now() + timedelta(days=2)):
        for key in (revoked, expired):
            assert api(admin_key).get(path(key)).status_code == 200
            for word in ("rotate", "disable", "enable", "release"):
                assert code(api(admin_key).post(path(key, word))) == (409, "conflict"), word
            assert code(api(admin_key).patch(path(key), {"name": "x"})) == (409, "conflict")
        assert api(admin_key).post(path(revoked, "revoke")).status_code == 200
        assert code(api(admin_key).post(path(expired, "revoke"))) == (409, "conflict")


def test_quarantine_reads_from_known_addresses_only(api, admin_key, acme_key, acme):
    assert api(acme_key).get("/v1/users").status_code == 200
    actions.change_key("quarantine", actor=system(acme.pk), key_id=acme_key.row.public_id, reason="Found on the web")
    assert api(admin_key).get(path(acme_key)).json()["status"] == "quarantined"
    assert api(acme_key).get("/v1/users").status_code == 200
    body = {"name": "Jo", "email": "jo@example.com", "password": "password1"}
    assert code(api(acme_key).post("/v1/users", body)) == (403, "key_quarantined")
    assert code(api(acme_key).get("/v1/users", REMOTE_ADDR="198.51.100.9")) == (403, "key_quarantined")
    # A refused call from there does not make the address a known one.
    assert code(api(acme_key).get("/v1/users", REMOTE_ADDR="198.51.100.9")) == (403, "key_quarantined")
    released = [api(admin_key).post(path(acme_key, "release")) for _ in range(2)]
    assert [(answer.status_code, answer.json()["status"]) for answer in released] == [(200, "active")] * 2
    assert entries(acme_key, "api_key.released").count() == 1
    assert api(acme_key).get("/v1/users", REMOTE_ADDR="198.51.100.9").status_code == 200


def test_an_admin_key_in_quarantine_reads_and_no_more(api, make_key, acme):
    key = make_key(acme, "admin", type="internal")
    api(key).get("/v1/me")
    actions.change_key("quarantine", actor=system(acme.pk), key_id=key.row.public_id)
    assert api(key).get("/v1/users").status_code == 200
    for send in (lambda: api(key).post("/v1/api-keys", {}), lambda: api(key).post(path(key, "release"))):
        assert code(send()) == (403, "key_quarantined")


def test_a_key_used_from_nowhere_before_does_nothing_in_quarantine(api, acme_key, acme):
    actions.change_key("quarantine", actor=system(acme.pk), key_id=acme_key.row.public_id)
    assert code(api(acme_key).get("/v1/me")) == (403, "key_quarantined")


# What an operator switches off


def test_a_disabled_scope_grants_nothing(api, acme_key, admin_key, acme):
    Package.objects.create(organization=acme, scopes_off=["users:read", "users:write"])
    for key in (acme_key, admin_key):
        assert code(api(key).get("/v1/users")) == (403, "insufficient_scope")
        assert api(key).get("/v1/api-keys").status_code == 200
    assert "users:write" not in api(acme_key).get("/v1/me").json()["key"]["scopes"]
    body = {"name": "x", "type": "partner", "scopes": ["users:read"]}
    assert code(api(admin_key).post("/v1/api-keys", body)) == (403, "forbidden")


def test_a_key_of_a_disabled_type_is_refused(api, acme_key, admin_key, acme, rival_key):
    Package.objects.create(organization=acme, types_off=["partner"], contact="Write to sales@vendor.example.")
    assert code(api(acme_key).get("/v1/me")) == (403, "forbidden")
    assert api(rival_key).get("/v1/me").status_code == 200
    answer = api(admin_key).post("/v1/api-keys", {"name": "x", "type": "partner", "scopes": []})
    assert code(answer) == (403, "forbidden") and "sales@vendor.example" in answer.json()["error"]
    assert code(api(admin_key).post(path(acme_key, "rotate"), {})) == (403, "forbidden")


def test_who_may_make_a_type_is_the_types_to_say(api, admin_key, acme, ada, ann, browser_of):
    for made_by, made in ((KeyCreators.OWNERS, {"owner": 201, "admin": 403}), (KeyCreators.OPERATORS, {"owner": 403})):
        KeyType.objects.filter(name="partner").update(made_by=made_by)
        body = {"name": "x", "type": "partner", "scopes": ["users:read"]}
        assert code(api(admin_key).post("/v1/api-keys", body)) == (403, "forbidden")
        for who, status in made.items():
            browser = browser_of({"owner": ada, "admin": ann}[who])
            answer = browser.post("/v1/api-keys", body, "application/json", headers={"Accept": "text/html"})
            assert answer.status_code == status, (made_by, who)
    actions.create_key(actor=system(acme.pk), name="x", key_type="partner", scopes=["users:read"])

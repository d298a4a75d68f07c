"""``POST /v1/api-keys/verify``: what a gateway learns of a key, and what that costs the key."""

from datetime import timedelta

import pytest
from django.utils import timezone

from apps.api_keys import actions
from apps.api_keys.models import ApiKey, Package
from apps.audit.models import ApiCall, LastUse, UsageHour
from apps.base.actor import system
from apps.base.crypto.secrets import new_key
from apps.credentials.gate import key_check
from apps.orgs.models import Organization, OrganizationStatus

pytestmark = pytest.mark.django_db(transaction=True)
PATH = "/v1/api-keys/verify"


@pytest.fixture
def gateway(make_key, api):
    """The host product's gateway, with a platform key."""
    key = make_key(Organization.objects.get(slug="platform"), "api_keys:verify", type="platform")
    return api(key)


def ask(caller, key, **body):
    answer = caller.post(PATH, {"key": key if isinstance(key, str) else key.text, **body})
    assert answer.status_code == 200, answer.content
    return answer.json()


def test_a_good_key_of_any_organization(gateway, make_key, acme):
    key = make_key(acme, "orders:read", type="client", subject="client-7", name="Widget")
    found = ask(gateway, key, scopes=["orders:read"], ip="203.0.113.5")
    assert list(found) == ["valid", "code", "key", "organization", "subject", "limits"]
    assert (found["valid"], found["code"], found["subject"]) == (True, "valid", "client-7")
    assert found["organization"] == {"id": acme.public_id, "name": "Acme Travel", "slug": "acme"}
    assert found["key"]["id"] == key.row.public_id and "key" not in found["key"]
    assert found["limits"][0] == {"name": "minute", "limit": 100, "remaining": 99, "reset_seconds": 60}


def test_it_counts_on_the_keys_limits_and_in_its_usage(gateway, make_key, acme):
    key = make_key(acme, "orders:read", limits={"minute": 10, "hour": None})
    assert ask(gateway, key, scopes=["orders:read"], ip="203.0.113.5", cost=7)["limits"][0]["remaining"] == 3
    refused = ask(gateway, key, cost=4)
    assert (refused["valid"], refused["code"], refused["limits"][0]["remaining"]) == (False, "rate_limited", 3)
    assert ask(gateway, key, cost=3)["valid"] is True
    counted = UsageHour.objects.filter(credential_id=key.row.pk).values_list("status_class", "address", "scopes")
    assert set(counted) == {("2xx", "203.0.113.5", "orders:read"), ("429", "", ""), ("2xx", "", "")}
    assert LastUse.objects.get(pk=key.row.pk)
    # One row for each call that was answered, and it is the gateway's.
    assert set(ApiCall.objects.values_list("organization__slug", flat=True)) == {"platform"}


def test_why_a_key_is_not_good(gateway, make_key, acme):
    def code(key, **body):
        found = ask(gateway, key, **body)
        assert found["valid"] is False and set(found) <= {"valid", "code", "limits"}
        return found["code"]

    key = make_key(acme, "orders:read", allowed_networks=["203.0.113.0/24"])
    assert code(key) == "ip_not_allowed"
    assert code(key, ip="198.51.100.1") == "ip_not_allowed"
    assert code(key, ip="203.0.113.9", scopes=["orders:read", "orders:write"]) == "insufficient_scope"
    assert ask(gateway, key, ip="203.0.113.9", scopes=["orders:read"])["valid"] is True
    assert ask(gateway, key, ip="::ffff:203.0.113.9")["valid"] is True
    for text in ("", "nonsense", new_key("ipk_").plaintext, new_key("ips_").plaintext, key.text[:-1] + "~"):
        assert code(text) == "invalid_api_key"
    actions.disable_key(actor=system(acme.pk), key_id=key.row.public_id)
    assert code(key) == "disabled_api_key"
    ApiKey.objects.filter(pk=key.row.pk).update(disabled_at=None, expires_at=timezone.now() - timedelta(seconds=1))
    key_check.invalidate_key("ipk_", key.row.key_id)
    assert code(key) == "expired_api_key"
    revoked = make_key(acme, "orders:read")
    actions.revoke_key(actor=system(acme.pk), key_id=revoked.row.public_id)
    assert code(revoked) == "revoked_api_key"


def test_a_quarantined_key_needs_a_known_address_and_reads(gateway, make_key, acme):
    key = make_key(acme, "orders:write")
    ask(gateway, key, ip="203.0.113.9")
    actions.change_key("quarantine", actor=system(acme.pk), key_id=key.row.public_id)
    assert ask(gateway, key)["code"] == "key_quarantined"
    assert ask(gateway, key, ip="203.0.113.8")["code"] == "key_quarantined"
    assert ask(gateway, key, ip="203.0.113.9", scopes=["orders:write"])["code"] == "key_quarantined"
    assert ask(gateway, key, ip="203.0.113.9", scopes=["orders:read"])["valid"] is True


def test_suspended_and_switched_off(gateway, make_key, acme):
    key = make_key(acme, "orders:read", "invoices:read")
    package = Package.objects.create(organization=acme, scopes_off=["orders:read"])
    assert ask(gateway, key, scopes=["orders:read"])["code"] == "insufficient_scope"
    assert ask(gateway, key, scopes=["invoices:read"])["key"]["scopes"] == ["invoices:read"]
    Package.objects.filter(pk=package.pk).update(types_off=["partner"])
    key_check.invalidate_organization(acme.pk)
    gone = ask(gateway, key)
    assert (gone["valid"], gone["code"]) == (False, "insufficient_scope")
    Organization.objects.filter(pk=acme.pk).update(status=OrganizationStatus.SUSPENDED)
    key_check.invalidate_organization(acme.pk)
    assert ask(gateway, key)["code"] == "organization_suspended"


def test_an_organizations_own_key_knows_its_own_keys_only(api, make_key, acme, rival):
    caller = api(make_key(acme, "api_keys:verify"))
    own, theirs = make_key(acme, "orders:read"), make_key(rival, "orders:read", limits={"minute": 5, "hour": None})
    assert ask(caller, own)["valid"] is True
    assert ask(caller, theirs) == {"valid": False, "code": "invalid_api_key"}
    assert not UsageHour.objects.filter(credential_id=theirs.row.pk).exists()
    assert api(theirs).get("/v1/me").json()["limits"][0]["remaining"] == 4


@pytest.mark.parametrize(
    ("ip", "kept"),
    [("fe80::1%<script>", "fe80::1"), ("::ffff:203.0.113.7", "203.0.113.7"), ("2001:DB8::1", "2001:db8::1")],
)
def test_an_address_is_kept_in_one_form(gateway, make_key, acme, ip, kept):
    key = make_key(acme, "users:read")
    assert ask(gateway, key, ip=ip)["code"] == "valid"
    assert LastUse.objects.get(credential_id=key.row.pk).address == kept


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "key"),
        ({"key": 5}, "key"),
        ({"key": "x", "ip": "nowhere"}, "ip"),
        ({"key": "x", "cost": 0}, "cost"),
        ({"key": "x", "cost": 101}, "cost"),
        ({"key": "x", "scopes": "orders:read"}, "scopes"),
        ({"key": "x", "more": 1}, "more"),
    ],
)
def test_a_bad_question_names_the_field(gateway, body, field):
    answer = gateway.post(PATH, body)
    assert answer.status_code == 400 and field in answer.json()["fields"]


def test_it_takes_the_scope(api, acme_key, make_key, acme):
    assert api(make_key(acme, "api_keys:write")).post(PATH, {"key": "x"}).status_code == 403


def test_admin_grants_every_scope_and_no_typing_error(gateway, make_key, acme):
    key = make_key(acme, "admin", type="internal")
    assert ask(gateway, key, scopes=["orders:write", "users:read", "admin"])["valid"] is True
    assert ask(gateway, key, scopes=["orders:wriet"])["code"] == "insufficient_scope"

"""``manage.py revoke_api_key``: how the vendor ends a key of its own, or a customer's in an emergency."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from apps.api_keys.models import ApiKey
from apps.audit.models import AuditEntry
from apps.orgs.models import Organization

pytestmark = pytest.mark.django_db(transaction=True)


def revoke(**words):
    out = StringIO()
    call_command("revoke_api_key", **words, json=True, stdout=out)
    return json.loads(out.getvalue())


@pytest.fixture
def platform_key(make_key):
    return make_key(Organization.objects.get(slug="platform"), "api_keys:verify", type="platform")


def key_id():
    return ApiKey.objects.get(organization__slug="platform").public_id


def test_a_platform_key_ends_at_its_next_call_and_the_log_says_why(platform_key, api):
    asked = {"key": "ipk_unknown"}
    assert api(platform_key).post("/v1/api-keys/verify", asked).status_code == 200
    told = revoke(org="platform", id=key_id(), reason="The gateway's disk was stolen")
    assert told["id"] == key_id() and told["revoked_at"]
    refused = api(platform_key).post("/v1/api-keys/verify", asked)
    assert (refused.status_code, refused.json()["code"]) == (401, "revoked_api_key")
    entry = AuditEntry.objects.get(action="api_key.revoked")
    assert entry.actor_label == "revoke_api_key" and "disk was stolen" in json.dumps(entry.changes)


def test_again_changes_nothing(platform_key):
    assert revoke(org="platform", id=key_id()) == revoke(org="platform", id=key_id(), reason="again")
    assert AuditEntry.objects.filter(action="api_key.revoked").count() == 1


def test_another_organizations_key_is_unknown(platform_key, acme):
    with pytest.raises(CommandError, match="'acme' has no API key with this id. /admin/ → API keys shows the id"):
        revoke(org="acme", id=key_id())
    assert ApiKey.objects.get(organization__slug="platform").revoked_at is None


def test_one_that_is_reported_as_leaked_stops_as_well(platform_key, api):
    assert api().post("/v1/leaked-keys", {"key": platform_key.text}).status_code == 202
    refused = api(platform_key).post("/v1/api-keys/verify", {"key": "ipk_unknown"})
    assert (refused.status_code, refused.json()["code"]) == (403, "key_quarantined")

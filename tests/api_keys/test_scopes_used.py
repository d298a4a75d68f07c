"""Which scope a call used is in its row: the first of those needed that the caller holds, none where it was refused."""

import pytest

from apps.audit.models import ApiCall

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("held", "path", "status", "used"),
    [
        (("users:write",), "/v1/users", 200, "users:read"),
        (("admin",), "/v1/users", 200, "users:read"),
        (("webhooks:read",), "/v1/events", 200, "webhooks:read"),
        (("events:read", "webhooks:read"), "/v1/events", 200, "events:read"),
        (("users:read",), "/v1/users/user_none", 404, "users:read"),
        (("events:read",), "/v1/users", 403, ""),
        (("users:read",), "/v1/me", 200, ""),
        (("users:read",), "/v1/nowhere", 404, ""),
    ],
)
def test_the_scope_that_a_call_used(api, acme, make_key, held, path, status, used):
    key = make_key(acme, *held, type="internal")
    assert api(key).get(path).status_code == status
    row = ApiCall.objects.get(credential_id=key.row.pk)
    assert (row.scopes, row.flagged) == (used, False)

"""A stranger's GET stores nothing, whatever page or path it is: else who opens pages without end fills the disk."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.audit.calls import group_commit
from apps.audit.models import RefusedCalls
from tests.conventions.conftest import NO_PATH, Samples
from tests.conventions.routes import routes_for
from tests.identity_provider import IdentityProvider

pytestmark = pytest.mark.django_db
# Refused calls of the API are counted, per network, minute and code.
COUNTED = RefusedCalls._meta.db_table
WRITES = ("INSERT", "UPDATE", "DELETE", "WITH")
JSON, HTML = {"Accept": "application/json"}, {"Accept": "text/html"}
OTHERS = {"content_type_id": 1, "app_label": "orgs", "url": "nowhere", "key": "x", "uidb36": "1", "pk": 1,
          "token": "x" * 43, "slug": "acme", "file": "receiver.py", "operation_id": "getMe"}  # fmt: skip


@pytest.fixture
def everything_is_on(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Passkeys need a name, single sign-on a provider."""
    provider = IdentityProvider()
    settings.OIDC_ISSUER, settings.OIDC_CLIENT_ID = provider.issuer, "portal"
    settings.OIDC_CLIENT_SECRET = "client-secret-91"
    for module in ("sign_in_views", "confirm_identity", "two_step_views"):
        monkeypatch.setattr(f"apps.orgs.accounts.{module}.passkeys_possible", lambda: True)
    yield
    provider.stop()


def written(queries: list[dict[str, str]]) -> list[str]:
    """Return the statements that write, but for what is counted."""
    return [each["sql"] for each in queries if each["sql"].startswith(WRITES) and COUNTED not in each["sql"]]


def paths(samples: Samples) -> Iterator[str]:
    for route in routes_for("page", "account", "admin", "other", "api", "sdk"):
        objects = (
            samples.real(route) if route.interface in ("page", "api", "sdk") else {"object_id": samples.rows["key"].pk}
        )
        yield NO_PATH.get(route.name) or route.at(**{**OTHERS, **objects})
    yield from ("/nowhere/at/all", "/account/login/?next=/o/acme/", "/account/sso/?next=/o/acme/", "/i18n/setlang/")


def test_no_get_of_a_stranger_stores_a_row(samples, everything_is_on):
    walked = set(paths(samples))
    for path in walked:
        with CaptureQueriesContext(connection) as asked:
            Client(raise_request_exception=False).get(path, headers=JSON)
            cookie = {"Cookie": "session=" + "x" * 32}  # of a session that ended
            Client(raise_request_exception=False).get(path, headers={**HTML, **cookie})
        assert not written(asked.captured_queries), path
    assert {"/account/sso/", "/account/2fa/webauthn/login/"} < walked and len(walked) > 200


def test_failing_keys_of_one_ipv6_network_are_counted_together(db, monkeypatch):
    counted = Counter()
    monkeypatch.setattr(group_commit, "persist_inline", lambda calls, refused: counted.update(refused))
    for address in ("2001:db8::1", "2001:db8::ffff:1", "2001:db8:0:1::1", "192.0.2.1", "::ffff:192.0.2.1"):
        Client(REMOTE_ADDR=address).get("/v1/me", headers={"Authorization": "Bearer ipk_wrong", **JSON})
    assert Counter({key.address: number for key, number in counted.items()}) == {
        "2001:db8::/64": 2, "2001:db8:0:1::/64": 1, "192.0.2.1": 2,
    }  # fmt: skip

"""Who created what is kept with it, and keys are found by their creator, also once that person is gone."""

from importlib import import_module

import pytest
from django.apps import apps

from apps.base.actor import ActorKind
from apps.orgs.accounts.account_actor import account_actor
from apps.orgs.models import Invitation, Membership, User
from apps.sdk_keys.models import SdkKey
from apps.webhooks.models import Endpoint
from tests.api_keys.forms import text_of

pytestmark = pytest.mark.django_db
KEYS, SDK_KEYS = "/v1/api-keys", "/v1/sdk-keys"
WEB_APP = {"name": "Web app", "platform": "web", "origins": ["https://app.example"]}


def made_by(caller, creator, path=KEYS):
    answer = caller.get(f"{path}?created_by={creator}")
    assert answer.status_code == 200, answer.content
    return [key["name"] for key in answer.json()]


@pytest.fixture
def admin(admin_key, api):
    return api(admin_key)


@pytest.fixture
def child(admin, api):
    """A key that Acme's own key created, and its caller."""
    body = {"name": "Child", "type": "partner", "scopes": ["users:read", "api_keys:write", "webhooks:write"]}
    made = admin.post(KEYS, body).json()
    return made["id"], api(made["key"])


def test_keys_are_found_by_the_key_that_created_or_rotated_into_them(admin, admin_key, child):
    child_id, caller = child
    rotated = caller.post(f"{KEYS}/{child_id}/rotate", {"overlap_seconds": 60}).json()
    admin.post(SDK_KEYS, WEB_APP)
    assert made_by(admin, admin_key.row.public_id) == ["Child"]
    assert [each["id"] for each in admin.get(f"{KEYS}?created_by={child_id}").json()] == [rotated["id"]]
    assert made_by(admin, admin_key.row.public_id, SDK_KEYS) == ["Web app"]
    assert made_by(admin, child_id, SDK_KEYS) == []
    assert admin.get(f"{KEYS}?created_by={child_id}&limit=1")["X-Total-Count"] == "1"


def test_keys_of_somebody_who_was_removed_are_found_by_api_and_page(browser_of, ada, ann, make_key, acme, admin, rf):
    request = rf.get("/")
    request.client_address, request.request_id = "127.0.0.1", "request-0001"
    actor = account_actor(request, ann)
    ann_id = ann.public_id
    for name in ("Left behind", "Too"):
        key = make_key(acme, "users:read", name=name)
        type(key.row).objects.filter(pk=key.row.pk).update(
            created_by_kind=ActorKind.USER, created_by_id=actor.id, created_by_label="Ann"
        )
    assert admin.delete(f"/v1/users/{ann_id}").status_code == 204 and not User.objects.filter(pk=ann.pk).exists()
    assert made_by(admin, ann_id) == ["Left behind", "Too"]
    page = browser_of(ada).get(f"/o/acme/settings/integration/api-keys/?created_by={ann_id}")
    said = text_of(page)
    assert "Left behind" in said and "Too" in said and "Acme's own scripts" not in said
    assert f'<option value="{ann_id}" selected>Ann</option>' in page.content.decode()


@pytest.mark.parametrize(
    "value", ["", "ann", "user_", "key_short", "sdk_01JD2V8Q4ZK7M3X9T5B6CW", "user_01JD2V8Q4ZK7M3X9T5B6CW%00", "*"]
)
def test_what_is_no_id_of_a_creator_is_400(admin, value):
    for path in (KEYS, SDK_KEYS):
        answer = admin.get(f"{path}?created_by={value}")
        assert answer.status_code == 400 and "created_by" in answer.json()["fields"]


def test_a_creator_of_another_organization_finds_nothing(api, rival_key, admin_key, child):
    assert made_by(api(rival_key), admin_key.row.public_id) == []


def test_the_page_of_sdk_keys_is_filtered_too(browser_of, ada, admin, admin_key):
    admin.post(SDK_KEYS, WEB_APP)
    here = "/o/acme/settings/integration/sdk-keys/web/"
    browser = browser_of(ada)
    assert "Web app" in text_of(browser.get(f"{here}?created_by={admin_key.row.public_id}"))
    nothing = browser.get(f"{here}?created_by=user_01JD2V8Q4ZK7M3X9T5B6CW")
    assert "No key matches these filters." in text_of(nothing) and SdkKey.objects.count() == 1


def creator_of(row):
    return row.created_by_kind, row.created_by_id, row.created_by_label


@pytest.fixture
def made(child, acme):
    """An endpoint that the child key created, an account by Acme's own key, and who these are."""
    _id, caller = child
    body = {"url": "https://hooks.example.com/a", "event_types": ["order.*"]}
    assert caller.post("/v1/webhook-endpoints", body).status_code == 201
    return Endpoint.objects.get(organization=acme)


def test_endpoints_members_and_invitations_know_their_creator(made, child, admin, admin_key, acme):
    assert creator_of(made) == ("api_key", child[0], "Child")
    own = ("api_key", admin_key.row.public_id, "Acme's own scripts")
    admin.post("/v1/users", {"name": "Nia", "email": "nia@acme.example", "password": "correct horse"})
    assert creator_of(Membership.objects.get(user__email="nia@acme.example")) == own
    admin.post("/v1/invitations", {"email": "new@acme.example", "role": "admin"})
    invitation = Invitation.objects.get(email="new@acme.example")
    assert (invitation.invited_by_kind, invitation.invited_by_id) == own[:2]


def test_the_audit_log_tells_who_created_what_was_there_before(made, child, admin, admin_key):
    admin.post("/v1/users", {"name": "Nia", "email": "nia@acme.example", "password": "correct horse"})
    member = Membership.objects.get(user__email="nia@acme.example")
    unknown = {"created_by_kind": "", "created_by_id": "", "created_by_label": ""}
    Membership.objects.filter(pk=member.pk).update(**unknown)
    Endpoint.objects.update(**unknown)
    import_module("apps.orgs.migrations.0011_creators_of_the_memberships_there_are").fill(apps, None)
    import_module("apps.webhooks.migrations.0014_creators_of_the_endpoints_there_are").fill(apps, None)
    member.refresh_from_db()
    made.refresh_from_db()
    assert creator_of(made)[:2] == ("api_key", child[0])
    assert creator_of(member)[:2] == ("api_key", admin_key.row.public_id)

"""``/v1/sdk-keys``: made, shown once, changed, rotated and ended like API keys, by whoever may."""

import json

import pytest

from apps.audit.models import AuditEntry
from apps.credentials.key_status import KeyStatus
from apps.sdk_keys.models import SdkKey
from apps.webhooks.models import Event
from tests.sdk_keys.conftest import BUNDLE, CERT, ORIGIN, App

pytestmark = pytest.mark.django_db
# With Redis, a change ends what is believed of a key only once it is committed.
IN_EARNEST = pytest.mark.django_db(transaction=True)
PATH = "/v1/sdk-keys"
IOS = {"name": "Field app", "platform": "ios", "app_id": BUNDLE, "activation_limit": 500, "inactive_after_days": 14}


@pytest.fixture
def caller(api, acme_key):
    return api(acme_key)


def actions_of(organization) -> list[str]:
    rows = AuditEntry.objects.filter(organization=organization, action__startswith="sdk_key.").order_by("pk")
    return list(rows.values_list("action", flat=True))


def test_a_key_is_made_and_shown_once(caller, acme):
    made = caller.post(PATH, IOS)
    assert made.status_code == 201
    body = made.json()
    text = body.pop("key")
    assert text.startswith("ips_") and len(text) == 54
    assert body == {
        "id": body["id"], "name": "Field app", "platform": "ios", "app_id": BUNDLE, "cert_sha256": None, "origins": [],
        "activation_limit": 500, "active_count": 0, "inactive_after_days": 14, "mask": f"{text[:8]}••••{text[-4:]}",
        "status": "active", "created_at": body["created_at"], "created_by": body["created_by"], "expires_at": None,
        "last_used_at": None, "last_used_from": None, "replaces": None, "replaced_by": None,
    }  # fmt: skip
    assert body["id"].startswith("sdk_")
    assert made["Cache-Control"] == "no-store, private" and made["Referrer-Policy"] == "no-referrer"
    assert caller.get(f"{PATH}/{body['id']}").json() == body
    listed = caller.get(PATH)
    assert listed.json() == [body] and listed["X-Total-Count"] == "1"
    assert actions_of(acme) == ["sdk_key.created"]
    event = Event.objects.get(type="sdk_key.created")
    data = json.loads(event.body)["data"]
    assert (data["app_id"], data["activation_limit"]) == (BUNDLE, 500)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({**IOS, "app_id": None}, "app_id"),
        ({**IOS, "app_id": "no dots"}, "app_id"),
        ({**IOS, "app_id": "com_acme.app"}, "app_id"),
        ({**IOS, "origins": [ORIGIN]}, "origins"),
        ({**IOS, "cert_sha256": CERT}, "cert_sha256"),
        ({**IOS, "platform": "windows"}, "platform"),
        ({**IOS, "activation_limit": 0}, "activation_limit"),
        ({**IOS, "activation_limit": "9"}, "activation_limit"),
        ({**IOS, "inactive_after_days": 366}, "inactive_after_days"),
        ({**IOS, "expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
        ({**IOS, "active_count": 3}, "active_count"),
        ({**IOS, "name": " "}, "name"),
        ({"name": "A", "platform": "android", "app_id": "1com.acme"}, "app_id"),
        ({"name": "A", "platform": "android", "app_id": BUNDLE, "cert_sha256": "AB:CD"}, "cert_sha256"),
        ({"name": "A", "platform": "web"}, "origins"),
        ({"name": "A", "platform": "web", "origins": ["https://a.example/path"]}, "origins"),
        ({"name": "A", "platform": "web", "origins": ["http://a.example"]}, "origins"),
        ({"name": "A", "platform": "web", "origins": ["https://user@a.example"]}, "origins"),
        ({"name": "A", "platform": "web", "origins": ["*"]}, "origins"),
        ({"name": "A", "platform": "web", "origins": ["null"]}, "origins"),
        ({"name": "A", "platform": "web", "origins": ["https://a.example:"]}, "origins"),
        *(
            ({"name": "A", "platform": "web", "origins": [text]}, "origins")
            for text in (
                "capacitor://",
                "capacitor:localhost",
                "capacitor://localhost/index.html",
                "capacitor://localhost:99999",
                "capacitor://user@localhost",
                "javascript://localhost",
                "file://localhost",
                "ws://localhost",
                "data://x",
                "http://localhost.evil.example",
                "://localhost",
                "x://a_b",
                "tauri://a b",
                "ionic://l\u00f6calhost",
            )
        ),
        ({"name": "A", "platform": "web", "origins": [ORIGIN], "app_id": BUNDLE}, "app_id"),
    ],
)
def test_a_bad_body_names_its_field_and_makes_nothing(caller, body, field):
    refused = caller.post(PATH, body)
    assert refused.status_code == 400
    assert list(refused.json()["fields"]) == [field]
    assert not SdkKey.objects.exists()


def test_what_is_kept_has_one_form(caller):
    made = caller.post(PATH, {"name": "A", "platform": "android", "app_id": BUNDLE, "cert_sha256": "ab" * 32})
    assert made.json()["cert_sha256"] == CERT
    origins = ["HTTPS://App.Acme.Example:443/", "http://localhost:3000", "https://app.acme.example"]
    web = caller.post(PATH, {"name": "A", "platform": "web", "origins": origins})
    assert web.json()["origins"] == ["https://app.acme.example", "http://localhost:3000"]
    assert web.json()["inactive_after_days"] == 30
    apps = ["capacitor://localhost", "ionic://localhost", "tauri://localhost", "http://tauri.localhost",
            "chrome-extension://aapbdbdomjkkjkaonfhkkikfgjllcleb", "moz-extension://2c127fa4-62c7-7e4f-90e5-472b45eecfdc",
            "safari-web-extension://5E4A6A0B-6D5C-4C0E-8C5B-0A3B1B7F3C11", "my-app://localhost:8080"]  # fmt: skip
    given = ["Capacitor://localhost/", *apps]
    assert caller.post(PATH, {"name": "B", "platform": "web", "origins": given}).json()["origins"] == apps


def test_it_is_changed_and_the_change_recorded(caller, ios, acme):
    changed = caller.patch(f"{PATH}/{ios.row.public_id}", {"name": "New", "activation_limit": None})
    assert changed.status_code == 200
    assert (changed.json()["name"], changed.json()["activation_limit"]) == ("New", None)
    entry = AuditEntry.objects.get(action="sdk_key.updated")
    assert entry.changes == {"name": ["Field app", "New"], "activation_limit": [2, None]}
    assert caller.patch(f"{PATH}/{ios.row.public_id}", {}).status_code == 400
    assert caller.patch(f"{PATH}/{ios.row.public_id}", {"platform": "web"}).status_code == 400


@IN_EARNEST
def test_a_rotation_keeps_places_and_the_old_key_for_a_while(caller, ios, app, acme):
    place = app.activate().json()
    rotated = caller.post(f"{PATH}/{ios.row.public_id}/rotate", {"overlap_seconds": 3600})
    assert rotated.status_code == 201
    body = rotated.json()
    assert (body["replaces"], body["active_count"], body["app_id"]) == (ios.row.public_id, 1, BUNDLE)
    assert app.call("post", place, "/heartbeat").status_code == 200
    moved = App(body["key"], app_id=BUNDLE)
    again = moved.activate()
    assert (again.status_code, again.json()["id"]) == (200, place["id"])
    assert caller.get(f"{PATH}/{ios.row.public_id}").json()["status"] == "overlap"
    assert caller.post(f"{PATH}/{ios.row.public_id}/rotate", {}).status_code == 409
    assert caller.post(f"{PATH}/{body['id']}/rotate", {"overlap_seconds": 0}).status_code == 201
    assert moved.activate().status_code == 401
    assert actions_of(acme)[-2:] == ["sdk_key.rotated", "sdk_key.rotated"]


@IN_EARNEST
def test_states_come_and_go_and_are_recorded_once(caller, ios, app, acme):
    one = f"{PATH}/{ios.row.public_id}"
    for path, status, code in (("disable", "disabled", "disabled_api_key"), ("revoke", "revoked", "revoked_api_key")):
        assert [caller.post(f"{one}/{path}", {}).json()["status"] for _ in range(2)] == [status] * 2
        assert app.activate().json()["code"] == code
        if path == "disable":
            assert caller.post(f"{one}/enable", {}).json()["status"] == "active"
            assert app.activate().status_code == 201
    assert caller.post(f"{one}/enable", {}).status_code == 409
    assert [name for name in actions_of(acme) if "activ" not in name] == [
        "sdk_key.created", "sdk_key.disabled", "sdk_key.enabled", "sdk_key.revoked"
    ]  # fmt: skip
    assert Event.objects.filter(type="sdk_key.revoked").count() == 1


def test_strangers_find_nothing(api, rival_key, ios, app):
    place = app.activate().json()["id"]
    stranger, one = api(rival_key), f"{PATH}/{ios.row.public_id}"
    assert stranger.get(PATH).json() == []
    tries = [
        stranger.get(one), stranger.patch(one, {"name": "Mine"}), stranger.post(f"{one}/rotate", {}),
        stranger.post(f"{one}/revoke", {}), stranger.get(f"{one}/activations"),
        stranger.delete(f"{one}/activations/{place}"),
    ]  # fmt: skip
    assert [each.status_code for each in tries] == [404] * 6
    ios.row.refresh_from_db()
    assert ios.row.status == KeyStatus.ACTIVE and ios.row.name == "Field app"


def test_a_reader_may_not_write(api, make_key, acme, ios):
    reader = api(make_key(acme, "sdk_keys:read"))
    assert reader.get(PATH).status_code == 200
    for refused in (reader.post(PATH, IOS), reader.post(f"{PATH}/{ios.row.public_id}/revoke", {})):
        assert (refused.status_code, refused.json()["code"]) == (403, "insufficient_scope")


@IN_EARNEST
def test_a_leak_is_treated_as_the_organization_wants(api, ios, acme, app):
    place = app.activate().json()
    assert api().post("/v1/leaked-keys", {"key": ios.text, "where": "a repository"}).status_code == 202
    ios.row.refresh_from_db()
    assert ios.row.status == KeyStatus.QUARANTINED
    new = app.activate("phone-2")
    assert (new.status_code, new.json()["code"]) == (403, "key_quarantined")
    assert app.call("post", place, "/heartbeat").status_code == 200
    acme.leak_policy = "revoke"
    acme.save()
    assert api().post("/v1/leaked-keys", {"key": ios.text}).status_code == 202
    ios.row.refresh_from_db()
    assert ios.row.status == KeyStatus.QUARANTINED, "once per key and day"

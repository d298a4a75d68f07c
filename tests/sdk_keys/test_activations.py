"""``/v1/sdk/activations``: a device takes a place, beats, gives it up; the limit is exact and the rights are few."""

import json
from datetime import timedelta

import pytest
from django.utils import timezone

from apps.audit.models import ApiCall, AuditEntry
from apps.base.actor import system
from apps.sdk_keys import actions, device_limit
from apps.sdk_keys.models import Activation, ActivationPool
from apps.webhooks.models import Event
from tests.conftest import Api
from tests.sdk_keys.conftest import BUNDLE, CERT, ORIGIN, App

pytestmark = pytest.mark.django_db
PLACES = "/v1/sdk/activations"


def pool_of(key) -> ActivationPool:
    return ActivationPool.objects.get(pk=key.row.pool_id)


def counted(key) -> tuple[int, int]:
    """The counter, and the rows that it counts."""
    return pool_of(key).active_count, Activation.objects.filter(pool_id=key.row.pool_id).active().count()


def test_a_device_activates_sends_heartbeats_and_deactivates(app, ios):
    made = app.activate(app_version="1.2", os_version="18.1")
    assert made.status_code == 201
    place = made.json()
    assert list(place) == ["id", "created_at", "expires_at", "token"] and place["id"].startswith("act_")
    assert made["Cache-Control"] == "no-store, private"
    shown = {name: place[name] for name in ("id", "created_at", "expires_at")}
    assert app.call("get", place).json() == shown
    beaten = app.call("post", place, "/heartbeat")
    assert beaten.status_code == 200 and beaten.json()["expires_at"] >= place["expires_at"]
    assert app.call("delete", place).status_code == 204
    gone = [app.call("get", place), app.call("post", place, "/heartbeat"), app.call("delete", place)]
    assert [each.status_code for each in gone] == [404] * 3
    assert counted(ios) == (0, 0)
    assert list(Event.objects.filter(type__startswith="sdk_key.").values_list("type", flat=True).order_by("pk")) == [
        "sdk_key.created", "sdk_key.activated", "sdk_key.deactivated"
    ]  # fmt: skip
    assert AuditEntry.objects.filter(action="sdk_key.deactivated").get().actor_kind == "sdk_key"


def test_the_same_device_costs_nothing_and_its_old_token_ends(app, ios):
    first, second = app.activate(), app.activate()
    assert (first.status_code, second.status_code) == (201, 200)
    old, new = first.json(), second.json()
    assert old["id"] == new["id"] and old["token"] != new["token"]
    assert app.call("get", old).json()["code"] == "forbidden"
    assert app.call("get", new).status_code == 200
    assert counted(ios) == (1, 1)
    assert AuditEntry.objects.filter(action="sdk_key.activated").count() == 1


def test_a_full_key_refuses_and_says_so_once(app, ios, api, acme_key):
    places = [app.activate(f"phone-{number}").json() for number in (1, 2)]
    for _ in range(2):
        full = app.activate("phone-3")
        assert (full.status_code, full.json()["code"]) == (409, "activation_limit_reached")
    assert app.activate("phone-1").status_code == 200
    assert Event.objects.filter(type="sdk_key.limit_reached").count() == 1
    assert api(acme_key).delete(f"/v1/sdk-keys/{ios.row.public_id}/activations/{places[1]['id']}").status_code == 204
    assert app.activate("phone-3").status_code == 201
    app.activate("phone-4")
    assert Event.objects.filter(type="sdk_key.limit_reached").count() == 2
    assert counted(ios) == (2, 2)


def test_a_lower_limit_keeps_what_is_active(app, ios, api, acme_key):
    app.activate("phone-1"), app.activate("phone-2")
    one = f"/v1/sdk-keys/{ios.row.public_id}"
    lowered = api(acme_key).patch(one, {"activation_limit": 1}).json()
    assert (lowered["activation_limit"], lowered["active_count"]) == (1, 2)
    assert app.activate("phone-2").status_code == 200
    assert app.activate("phone-3").status_code == 409


def test_inactive_devices_are_deactivated(app, ios):
    place = app.activate().json()
    Activation.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert device_limit.deactivate_inactive_devices() == 1
    assert app.call("post", place, "/heartbeat").status_code == 404
    row = Activation.objects.get()
    assert (row.freed_because, counted(ios)) == ("silent", (0, 0))
    assert json.loads(Event.objects.get(type="sdk_key.deactivated").body)["data"]["reason"] == "silent"
    Activation.objects.update(freed_at=timezone.now() - timedelta(days=91))
    assert device_limit.delete_deactivated_devices() == 1


def test_a_full_key_looks_for_silent_devices_itself(app, ios):
    app.activate("phone-1"), app.activate("phone-2")
    Activation.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert app.activate("phone-3").status_code == 201


def test_a_change_of_inactive_after_applies_to_existing_devices(app, ios, api, acme_key):
    app.activate()
    one = f"/v1/sdk-keys/{ios.row.public_id}"
    api(acme_key).patch(one, {"inactive_after_days": 1})
    row = Activation.objects.get()
    assert row.expires_at == row.last_seen_at + timedelta(days=1)
    api(acme_key).patch(one, {"inactive_after_days": None})
    assert Activation.objects.get().expires_at is None


def test_activating_and_freeing_without_end_has_a_budget(app, ios):
    for _ in range(device_limit.MAX_NEW_ACTIVATIONS):
        app.call("delete", app.activate().json())
    refused = app.activate()
    assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
    assert 86_000 < int(refused["Retry-After"]) <= 86_401
    assert app.activate("phone-2").status_code == 201


def test_each_device_has_a_limit_and_so_has_its_address(app, make_sdk_key):
    key = make_sdk_key()
    phone = App(key, app_id=BUNDLE)
    answers = [phone.activate().status_code for _ in range(61)]
    assert answers == [201] + [200] * 59 + [429]
    other = phone.activate("phone-2")
    assert other.status_code == 201, "not one limit for all phones together"
    assert other["RateLimit-Policy"] == '"address";q=600;w=60, "device";q=60;w=60'
    assert 'RateLimit: "address";r=539' in f"RateLimit: {other['RateLimit']}"


@pytest.mark.parametrize("body", [{}, {"app_id": "com.rival.app"}, {"app_id": ""}])
def test_another_app_is_refused(ios, body):
    refused = App(ios).activate(**body)
    assert (refused.status_code, refused.json()["code"]) == (403, "app_not_allowed")
    assert not Activation.objects.exists()


def test_a_certificate_is_asked_for_where_the_key_has_one(make_sdk_key):
    app = App(make_sdk_key("android", cert_sha256=CERT), app_id=BUNDLE)
    assert app.activate().json()["code"] == "app_not_allowed"
    assert app.activate(cert_sha256="cd" * 32).json()["code"] == "app_not_allowed"
    assert app.activate(cert_sha256="ab" * 32).status_code == 201


def test_a_browser_calls_from_the_keys_own_origins(make_sdk_key):
    app = App(make_sdk_key("web"))
    for origin in ({}, {"Origin": "https://evil.example"}, {"Origin": "null"}, {"Origin": ORIGIN + ".evil.example"}):
        refused = app.activate(headers=origin)
        assert (refused.status_code, refused.json()["code"]) == (403, "origin_not_allowed")
        assert "Access-Control-Allow-Origin" not in refused.headers
    made = app.activate(headers={"Origin": ORIGIN})
    assert made.status_code == 201 and made["Access-Control-Allow-Origin"] == ORIGIN
    assert "Origin" in made["Vary"] and "Retry-After" in made["Access-Control-Expose-Headers"]
    assert "Access-Control-Allow-Credentials" not in made.headers
    assert app.call("post", made.json(), "/heartbeat").json()["code"] == "origin_not_allowed"
    assert app.call("post", made.json(), "/heartbeat", headers={"Origin": ORIGIN}).status_code == 200


def test_any_origin_may_ask_first(client):
    headers = {"Origin": "https://any.example", "Access-Control-Request-Method": "POST"}
    asked = client.options(PLACES, headers=headers)
    assert (asked.status_code, asked["Access-Control-Allow-Origin"]) == (204, "*")
    assert "POST" in asked["Access-Control-Allow-Methods"]
    assert "X-Activation-Token" in asked["Access-Control-Allow-Headers"]
    assert "Access-Control-Allow-Credentials" not in asked.headers
    elsewhere = client.options("/v1/users", headers=headers)
    assert "Access-Control-Allow-Origin" not in elsewhere.headers
    assert not ApiCall.objects.exists()


@pytest.mark.parametrize("origin", ["capacitor://localhost", "chrome-extension://aapbdbdomjkkjkaonfhkkikfgjllcleb"])
def test_an_apps_own_scheme_is_an_origin(make_sdk_key, origin):
    app = App(make_sdk_key("web", origins=[origin]))
    made = app.activate(headers={"Origin": origin})
    assert made.status_code == 201 and made["Access-Control-Allow-Origin"] == origin
    assert app.activate("other", headers={"Origin": origin.upper()}).json()["code"] == "origin_not_allowed"


def test_a_preflight_is_allowed_the_headers_that_it_asks_for(client):
    headers = {"Origin": "https://any.example", "Access-Control-Request-Method": "POST"}
    for asked in (
        "baggage,content-type,sentry-trace,traceparent,x-activation-token",
        "x-b3-traceid , b3",
        "authorization",
    ):
        answer = client.options(PLACES, headers={**headers, "Access-Control-Request-Headers": asked})
        assert (answer.status_code, answer["Access-Control-Allow-Headers"]) == (204, asked)
        assert answer["Vary"] == "Access-Control-Request-Headers"
    for asked in ("", ",", "a,,b", "a b", "a:b", "\xe9", "a\x0b", '"a"', "a," * 30_000):
        answer = client.options(PLACES, headers={**headers, "Access-Control-Request-Headers": asked})
        assert "X-Activation-Token" in answer["Access-Control-Allow-Headers"], asked


def test_an_sdk_key_and_an_api_key_cannot_replace_each_other(ios, acme_key, app):
    elsewhere = [Api(ios).get("/v1/users"), Api(ios).get("/v1/me"), Api(ios).get("/v1/sdk-keys")]
    here = Api(acme_key).post(PLACES, {"device_id": "phone-1"})
    assert {(each.status_code, each.json()["code"]) for each in [*elsewhere, here]} == {(403, "insufficient_scope")}
    judged = Api(acme_key).post("/v1/api-keys/verify", {"key": ios.text})
    assert judged.status_code == 403 or judged.json()["code"] == "invalid_api_key"


def test_an_activation_of_another_key_is_not_found(app, make_sdk_key, rival):
    place = app.activate().json()
    for key in (make_sdk_key(), make_sdk_key(organization=rival)):
        assert App(key).call("get", place).status_code == 404
        assert App(key).call("delete", place).status_code == 404
    assert app.call("get", place, token="x" * 43).status_code == 403
    assert app.call("delete", place, token="").status_code == 403
    assert Activation.objects.get().freed_at is None


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"device_id": ""}, "device_id"),
        ({"device_id": None}, "device_id"),
        ({"device_id": 7}, "device_id"),
        ({"device_id": "x" * 201}, "device_id"),
        ({"device_id": "a", "app_version": ["1.2"]}, "app_version"),
        ({"device_id": "a", "model": "X"}, "model"),
    ],
)
def test_a_bad_body_names_its_field(ios, body, field):
    refused = Api(ios).post(PLACES, {"app_id": BUNDLE, **body})
    assert (refused.status_code, list(refused.json()["fields"])) == (400, [field])
    assert not Activation.objects.exists()


def test_neither_device_nor_token_can_be_read_back(app):
    token = app.activate("a-device-id-to-look-for").json()["token"]
    rows = json.dumps([list(Activation.objects.values()), list(AuditEntry.objects.values())], default=str)
    events = json.dumps(list(Event.objects.values()), default=str)
    assert "a-device-id-to-look-for" not in rows + events and token not in rows + events


def test_a_device_keeps_its_place_while_peppers_are_rotated(app, ios, settings):
    place = app.activate().json()
    settings.KEY_PEPPERS = {"t2": b"q" * 32, **settings.KEY_PEPPERS}
    again = app.activate()
    assert (again.status_code, again.json()["id"]) == (200, place["id"])
    assert Activation.objects.get().pepper_id == "t2"
    assert counted(ios) == (1, 1)


def test_the_list_shows_every_state_oldest_first(app, ios, api, acme_key):
    first, second = app.activate("phone-1", app_version="3.1").json(), app.activate("phone-2").json()
    app.call("delete", first)
    listed = api(acme_key).get(f"/v1/sdk-keys/{ios.row.public_id}/activations")
    assert [(each["id"], each["status"], each["freed_because"]) for each in listed.json()] == [
        (first["id"], "freed", "device"), (second["id"], "active", None)
    ]  # fmt: skip
    assert listed["X-Total-Count"] == "2" and listed.json()[0]["app_version"] == "3.1"


def test_each_call_is_one_row_of_the_log(app, ios):
    app.activate()
    row = ApiCall.objects.get()
    assert (row.actor_kind, row.credential_id, row.route, row.status) == ("sdk_key", ios.row.pk, PLACES, 201)


# Pages of other origins


@pytest.mark.django_db(transaction=True)
def test_its_own_page_reads_what_every_answer_says(make_sdk_key, monkeypatch):
    key = make_sdk_key("web")
    app, own = App(key), {"Origin": ORIGIN}
    place = app.activate(headers=own).json()
    read = app.call("get", place, headers=own)
    known = app.call("get", place, headers={**own, "If-None-Match": read["ETag"]})
    answers = {200: read, 304: known, 404: app.call("get", {**place, "id": "act_nobody"}, headers=own)}
    answers[403] = app.call("get", place, token="another", headers=own)
    monkeypatch.setattr(actions.devices, "PER_DEVICE", 1)
    answers[429] = app.call("get", place, headers=own)
    actions.disable_sdk_key(actor=system(key.row.organization_id), key_id=key.row.public_id)
    answers[401] = app.call("get", place, headers=own)
    for status, answer in answers.items():
        assert answer.status_code == status
        assert answer["Access-Control-Allow-Origin"] == ORIGIN and "Origin" in answer["Vary"], status
        readable = {name.strip() for name in answer["Access-Control-Expose-Headers"].split(",")}
        told = {name for name in answer.headers if name.startswith(("RateLimit", "Retry-After", "ETag"))}
        assert told | {"X-Request-ID", "ETag", "Retry-After"} <= readable, status
    assert "RateLimit" in answers[429] and "RateLimit" in answers[304] and "RateLimit" not in answers[401]


def test_another_page_reads_no_refusal_either(make_sdk_key):
    key = make_sdk_key("web")
    actions.disable_sdk_key(actor=system(key.row.organization_id), key_id=key.row.public_id)
    refused = App(key).activate(headers={"Origin": "https://evil.example"})
    assert refused.status_code == 401 and not [name for name in refused.headers if name.startswith("Access-Control")]


def test_a_page_may_ask_with_conditions(client):
    asked = client.options(PLACES, headers={"Origin": ORIGIN, "Access-Control-Request-Method": "GET"})
    assert {"If-None-Match", "If-Match"} <= set(asked["Access-Control-Allow-Headers"].split(", "))


def test_the_rest_of_the_api_is_open_to_no_page(make_sdk_key, api, acme_key):
    make_sdk_key("web")
    for answer in (
        api(acme_key).get("/v1/sdk-keys", headers={"Origin": ORIGIN}),
        api(acme_key).get("/v1/sdk-keys", headers={"Origin": ORIGIN, "If-None-Match": "*"}),
        api(acme_key).client.options(
            "/v1/sdk-keys", headers={"Origin": ORIGIN, "Access-Control-Request-Method": "GET"}
        ),
    ):
        assert not [name for name in answer.headers if name.startswith("Access-Control")], answer.status_code

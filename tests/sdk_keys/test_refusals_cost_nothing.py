"""A call that one limit refuses is counted on none of the others: it is nobody else's trouble."""

import pytest

from apps.base.actor import system
from apps.credentials.gate import rate_limits
from apps.credentials.gate.rate_limits import Window, WindowState
from apps.sdk_keys import actions, device_limit
from apps.sdk_keys.actions import devices
from tests.sdk_keys.conftest import BUNDLE, App

pytestmark = pytest.mark.django_db
FEW = 5


@pytest.fixture
def few_a_minute(monkeypatch):
    """A device may call five times a minute here: what it does over that is quick."""
    monkeypatch.setattr(devices, "PER_DEVICE", FEW)


def left_of(answer, name):
    """What is left of a window, as the answer's header says."""
    return int(answer["RateLimit"].split(f'"{name}";r=')[1].split(";")[0])


def test_a_device_that_beats_too_often_costs_its_address_nothing(app, few_a_minute):
    place = app.activate().json()
    beats = [app.call("post", place, "/heartbeat") for _ in range(4 * FEW)]
    refused = [beat for beat in beats if beat.status_code == 429]
    assert len(refused) == 4 * FEW - (FEW - 1)
    assert {left_of(beat, "address") for beat in refused} == {600 - FEW}
    assert {left_of(beat, "device") for beat in refused} == {0}
    assert {beat["RateLimit-Remaining"] for beat in refused} == {"0"}
    neighbour = app.activate("phone-2")
    assert (neighbour.status_code, left_of(neighbour, "address")) == (201, 600 - FEW - 1)


def test_too_many_places_cost_neither_device_nor_address(app, monkeypatch):
    monkeypatch.setattr(device_limit, "MAX_NEW_ACTIVATIONS", 2)
    for _ in range(2):
        app.call("delete", app.activate().json())
    refused = [app.activate() for _ in range(4)]
    assert {answer.status_code for answer in refused} == {429}
    assert {(left_of(each, "address"), left_of(each, "device")) for each in refused} == {(596, 56)}
    assert left_of(app.activate("phone-2"), "address") == 595


def test_a_refused_test_send_costs_the_key_nothing(api, acme_key, receiver_url):
    caller = api(acme_key)
    body = {"url": receiver_url, "event_types": ["*"]}
    endpoint = caller.post("/v1/webhook-endpoints", body).json()["id"]
    answers = [caller.post(f"/v1/webhook-endpoints/{endpoint}/test") for _ in range(8)]
    assert [answer.status_code for answer in answers] == [202] * 5 + [429] * 3
    assert [left_of(answer, "minute") for answer in answers] == [98, 97, 96, 95, 94, 94, 94, 94]


@pytest.fixture
def receiver_url():
    return "https://hooks.example.com/a"


def test_giving_back_leaves_what_others_took_and_ends_an_empty_window():
    window = Window("minute", "give-back", 3, 60)
    first, second = rate_limits.consume([window]), rate_limits.consume([window])
    (after,) = rate_limits.refund(second.states)
    assert (first.states[0].remaining, after.remaining) == (2, 2)
    assert rate_limits.peek([window])[0].remaining == 2
    rate_limits.refund(first.states)
    rate_limits.refund([WindowState(window, 3, 0.0)])
    (fresh,) = rate_limits.peek([window])
    assert (fresh.remaining, fresh.reset) == (3, 0.0)


def test_a_device_with_a_place_activates_again_under_quarantine(app, ios, acme, django_capture_on_commit_callbacks):
    first = app.activate(app_version="4.2")
    with django_capture_on_commit_callbacks(execute=True):
        actions.change_sdk_key("quarantine", actor=system(acme.pk), key_id=ios.row.public_id)
    again = app.activate()
    assert (first.status_code, again.status_code) == (201, 200)
    assert app.call("post", again.json(), "/heartbeat").status_code == 200
    refused = app.activate("phone-2")
    assert (refused.status_code, refused.json()["code"]) == (403, "key_quarantined")


@pytest.mark.parametrize("later", [{}, {"app_version": "", "os_version": None}, {"os_version": "  "}])
def test_versions_that_are_left_out_are_kept(app, ios, api, acme_key, later):
    app.activate(app_version="4.2", os_version="iOS 26.1")
    place = app.activate(**later)
    assert place.status_code == 200
    assert app.call("post", place.json(), "/heartbeat", body=later).status_code == 200
    (shown,) = api(acme_key).get(f"/v1/sdk-keys/{ios.row.public_id}/activations").json()
    assert (shown["app_version"], shown["os_version"]) == ("4.2", "iOS 26.1")


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        ("x" * 60, "x" * 60),
        ("x" * 200, "x" * 200),
        ("x" * 201, "x" * 199 + "…"),
        ("x" * 100_000, "x" * 199 + "…"),
        (" Android\t14\r\n(UP1A) ", "Android 14 (UP1A)"),
        ("14\u200b.2\u202e", "14 .2"),
        ("a\u3164b\U000e0041c\u2800", "a b c"),
        ("Ünï 🤖", "Ünï 🤖"),
        (26, "26"),
        (26.1, "26.1"),
    ],
)
def test_what_a_device_reports_is_no_reason_to_refuse_it(make_sdk_key, api, acme_key, told, kept):
    key = make_sdk_key("android")
    app = App(key, app_id=BUNDLE)
    place = app.activate(os_version=told, app_version=told)
    assert place.status_code == 201
    assert app.call("post", place.json(), "/heartbeat", body={"os_version": told}).status_code == 200
    (shown,) = api(acme_key).get(f"/v1/sdk-keys/{key.row.public_id}/activations").json()
    assert (shown["os_version"], shown["app_version"]) == (kept, kept)


def test_a_key_in_a_version_is_not_kept(app, ios, api, acme_key):
    assert app.activate(app_version=f"built with {acme_key.text}").status_code == 201
    listed = api(acme_key).get(f"/v1/sdk-keys/{ios.row.public_id}/activations")
    assert acme_key.text.encode() not in listed.content and "[redacted]" in listed.json()[0]["app_version"]

"""A key that rotated itself is not out of reach: what is done to it is done to what it became."""

import threading
from functools import partial

import pytest
from django.core import mail
from django.db import connections
from django.test import Client

from apps.api_keys import actions
from apps.api_keys.models import ApiKey
from apps.audit.models import AuditEntry
from apps.base.actor import system
from apps.credentials import api as door
from apps.credentials.gate import key_check
from apps.credentials.lifecycle import transitions
from apps.notices.models import Notice
from apps.orgs.mail.jobs import mail_notices, send_due_mail
from apps.orgs.models import Organization
from tests.alerts import published
from tests.api_keys.forms import page_of, send, text_of
from tests.conftest import Api, Key

pytestmark = pytest.mark.django_db
KEYS = "/v1/api-keys"


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr(door, "MIN_RESPONSE_SECONDS", 0)


def rotate(caller, key, overlap=0):
    """The key that a key becomes where a caller rotates it."""
    answer = Api(caller).post(f"{KEYS}/{key.row.public_id}/rotate", {"overlap_seconds": overlap})
    assert answer.status_code == 201, answer.content
    return Key(ApiKey.objects.get(key_id=answer.json()["key"][4:16]), answer.json()["key"])


def report(key):
    assert Api().post("/v1/leaked-keys", {"key": key.text}).status_code == 202


def states(*keys):
    return [str(ApiKey.objects.get(pk=key.row.pk).status) for key in keys]


def told():
    return list(Notice.objects.open().order_by("pk").values_list("kind", "params__name"))


@pytest.fixture
def leaked(make_key, acme):
    return make_key(acme, name="Leaked")


@pytest.mark.parametrize("overlap", [0, 3600])
@pytest.mark.parametrize(
    ("policy", "status", "kind"),
    [
        ("quarantine", "quarantined", "api_key.successor_leaked_quarantined"),
        ("revoke", "revoked", "api_key.successor_leaked_revoked"),
        ("tell", "active", "api_key.successor_leaked"),
    ],
)
def test_the_report_of_a_key_reaches_what_it_rotated_itself_into(leaked, ada, policy, status, kind, overlap):
    Organization.objects.update(leak_policy=policy)
    successor = rotate(leaked, leaked, overlap)
    report(leaked)
    report(leaked)
    assert states(successor) == [status]
    assert (kind, "Leaked") in told()
    news = [data for name, data in published("api_key.leaked") if data["id"] == successor.row.public_id]
    assert [(each["consequence"], each["reported"]) for each in news] == [(policy, leaked.row.public_id)]
    entries = AuditEntry.objects.filter(target_id=successor.row.public_id, action="api_key.leaked")
    assert entries.get().changes["reported"] == [None, leaked.row.public_id]
    mail_notices()
    send_due_mail()
    assert {each.to[0] for each in mail.outbox} == {"ada@acme.example"}
    bodies = [each.body for each in mail.outbox]
    assert any(leaked.row.mask in body and "rotating itself" in body for body in bodies), bodies


def test_a_chain_is_followed_to_its_end_and_only_what_works_is_told_of(leaked):
    second = rotate(leaked, leaked)
    third = rotate(second, second)
    fourth = rotate(third, third, 600)
    report(leaked)
    assert states(leaked, second, third, fourth) == ["expired", "expired", "quarantined", "quarantined"]
    assert sorted(told()) == [("api_key.successor_leaked_quarantined", "Leaked")] * 2


def test_a_key_that_somebody_else_rotated_is_left_alone(leaked, make_key, acme, ada):
    by_system = Key(*actions.rotate_key(actor=system(acme.pk), key_id=leaked.row.public_id, overlap_seconds=0))
    after = rotate(by_system, by_system)
    report(leaked)
    assert states(leaked, by_system, after) == ["expired", "expired", "active"] and told() == []
    report(by_system)
    assert states(after) == ["quarantined"]


def test_a_key_that_goes_on_from_somebody_elses_rotation_is_reached(leaked, api, admin_key):
    kept = rotate(admin_key.text, leaked, 3600)
    taken = rotate(leaked, kept, 3600)
    further = rotate(taken, taken, 3600)
    report(leaked)
    assert states(kept, taken, further) == ["expired", "quarantined", "quarantined"]
    api(admin_key).post(f"{KEYS}/{leaked.row.public_id}/revoke", {"successors": True})
    assert states(taken, further) == ["revoked", "revoked"]


def test_a_key_that_rotated_after_its_report_is_found_by_the_next_one(leaked):
    Organization.objects.update(leak_policy="tell")
    report(leaked)
    successor = rotate(leaked, leaked)
    Organization.objects.update(leak_policy="revoke")
    report(leaked)
    assert states(successor) == ["revoked"]


@pytest.mark.parametrize("overlap", [0, 3600])
def test_revoking_a_key_ends_what_it_rotated_itself_into(leaked, api, acme_key, overlap):
    second = rotate(leaked, leaked, overlap)
    third = rotate(second, second, overlap)
    answer = api(acme_key).post(f"{KEYS}/{leaked.row.public_id}/revoke", {"reason": "Found in a log"})
    assert answer.status_code == 200
    assert answer.json()["status"] == "expired", "rotating again ended its overlap"
    assert states(third) == ["revoked"] and ApiKey.objects.get(pk=third.row.pk).status_reason == "Found in a log"
    ended = [entry.target_id for entry in AuditEntry.objects.filter(action="api_key.revoked").order_by("pk")]
    assert ended == [each.row.public_id for each in ((second, third) if overlap else (third,))]
    again = api(acme_key).post(f"{KEYS}/{leaked.row.public_id}/revoke")
    assert again.status_code == 409, "expired, with nothing left to end"
    assert AuditEntry.objects.filter(action="api_key.revoked").count() == len(ended)


def test_successors_are_left_where_it_is_said_so(leaked, api, acme_key):
    second = rotate(leaked, leaked, 3600)
    api(acme_key).post(f"{KEYS}/{leaked.row.public_id}/revoke", {"successors": False})
    assert states(leaked, second) == ["revoked", "active"]
    api(acme_key).post(f"{KEYS}/{leaked.row.public_id}/revoke", {"successors": True})
    assert states(second) == ["revoked"]


def test_a_program_that_rotates_itself_and_ends_its_old_key_goes_on(leaked):
    second = rotate(leaked, leaked, 3600)
    assert Api(second).post(f"{KEYS}/{leaked.row.public_id}/revoke").status_code == 200
    assert states(leaked, second) == ["revoked", "active"]
    third = rotate(second, second, 3600)
    assert Api(second).post(f"{KEYS}/{second.row.public_id}/revoke").status_code == 200
    assert states(second, third) == ["revoked", "active"]


def test_an_operators_quarantine_reaches_them_too(leaked, acme):
    second = rotate(leaked, leaked, 3600)
    actions.change_key("quarantine", actor=system(acme.pk), key_id=leaked.row.public_id)
    assert states(leaked, second) == ["quarantined", "quarantined"]


def test_the_page_asks_whether_they_end_too(browser_of, ada, leaked):
    browser, second = browser_of(ada), rotate(leaked, leaked, 3600)
    here = page_of(leaked.row) + "revoke/"
    page = browser.get(here)
    assert second.row.mask in text_of(page)
    send(browser, here, confirm="on", confirm_name="Leaked", successors="")
    assert states(leaked, second) == ["revoked", "active"]


def test_the_page_ends_them_unless_the_box_is_cleared(browser_of, ada, leaked):
    browser, second = browser_of(ada), rotate(leaked, leaked, 3600)
    send(browser, page_of(leaked.row) + "revoke/", confirm="on", confirm_name="Leaked", successors="on")
    assert states(leaked, second) == ["revoked", "revoked"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (partial(actions.change_key, "quarantine"), "key_quarantined"),
        (actions.revoke_key, "revoked_api_key"),
        (actions.disable_key, "disabled_api_key"),
    ],
)
@pytest.mark.parametrize("path", ["{id}/rotate", ""])
def test_a_key_makes_nothing_once_it_was_set_aside_in_the_middle_of_its_request(
    leaked, acme, monkeypatch, change, code, path
):
    """The request is past the door when the key is ended: what comes after must see it."""
    held = transitions.lock_creator

    def meanwhile(actor):
        change(actor=system(acme.pk), key_id=leaked.row.public_id)
        held(actor)

    monkeypatch.setattr(transitions, "lock_creator", meanwhile)
    body = {"name": "Late", "type": "partner", "scopes": ["users:read"]} if not path else {"overlap_seconds": 0}
    path = f"{KEYS}/{path.format(id=leaked.row.public_id)}".rstrip("/")
    refused = Api(leaked).post(path, body)
    assert refused.json()["code"] == code and ApiKey.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_report_and_a_rotation_at_once_leave_no_key_that_works(make_key, acme):
    """Whichever comes first: the successor is quarantined, or there is none."""
    for _ in range(4):
        key = make_key(acme, name="Racing")
        key_check.cache._rows.clear()
        start = threading.Barrier(2)

        def run(call, start=start):
            start.wait()
            try:
                call()
            finally:
                connections.close_all()

        calls = [
            lambda key=key: Api(key).post(f"{KEYS}/{key.row.public_id}/rotate", {"overlap_seconds": 0}),
            lambda key=key: Client().post("/v1/leaked-keys", {"key": key.text}, content_type="application/json"),
        ]
        threads = [threading.Thread(target=run, args=(call,)) for call in calls]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
        assert "active" not in [str(each.status) for each in ApiKey.objects.filter(budget_id=key.row.budget_id)]

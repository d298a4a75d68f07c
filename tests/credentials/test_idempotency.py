"""``Idempotency-Key``: what is answered again, what is refused, and what is kept of it."""

import json
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.apps import apps
from django.test import Client
from django.utils import timezone

from apps.api_keys import actions as keys
from apps.api_keys.models import ApiKey
from apps.audit.models import ApiCall
from apps.base.actor import system
from apps.credentials import idempotency_store
from apps.credentials.gate import key_check
from apps.credentials.models import IdempotencyRecord
from apps.orgs.models import Membership, Organization, Role, User
from apps.webhooks import actions as endpoints
from apps.webhooks.models import Event
from tests.conftest import Api, Key
from tests.engines import DATA, make_endpoint

pytestmark = pytest.mark.django_db

EVENT = {"type": "order.created", "data": DATA}
USER = {"name": "Jo", "email": "jo@example.com", "password": "password1"}
NEW_KEY = {"name": "Made", "type": "partner", "scopes": ["users:read"]}
HTML = {"Accept": "text/html"}


def post(key: Key, path: str, body: Any, text: str = "one", **headers: str) -> Any:
    return Api(key).post(path, body, headers={"Idempotency-Key": text, **headers})


def published() -> int:
    return Event.objects.filter(type="order.created").count()


def is_replay(answer: Any) -> bool:
    return answer.headers.get("Idempotency-Replayed") == "true"


# Again


def test_it_answers_again_without_a_second_effect(acme_key):
    first, again = (post(acme_key, "/v1/events", EVENT) for _ in range(2))
    assert (first.status_code, again.status_code) == (202, 202)
    assert (is_replay(first), is_replay(again)) == (False, True)
    assert first.content == again.content
    assert published() == 1


def test_without_the_header_nothing_is_kept(acme_key, api):
    for _ in range(2):
        assert "Idempotency-Replayed" not in api(acme_key).post("/v1/events", EVENT)
    assert published() == 2
    assert not IdempotencyRecord.objects.exists()


def test_the_trailing_slash_is_not_part_of_the_path(acme_key):
    post(acme_key, "/v1/events", EVENT)
    assert is_replay(post(acme_key, "/v1/events/", EVENT))
    assert published() == 1


@pytest.mark.parametrize(
    ("path", "body", "secret"),
    [
        ("/v1/api-keys", NEW_KEY, "key"),
        ("/v1/webhook-endpoints", {"url": "https://hooks.example.com/", "event_types": ["*"]}, "secret"),
    ],
)
def test_a_replay_has_the_first_body_less_its_secret(admin_key, path, body, secret):
    first, again = (post(admin_key, path, body) for _ in range(2))
    shown = first.json()
    text = shown.pop(secret)
    assert (again.status_code, again.json(), is_replay(again)) == (201, shown, True)
    assert list(again.json()) == list(shown)
    assert [name for name, row in rows() if text in row or text[16:48] in row] == []


def test_a_rotated_secret_is_not_kept(admin_key, acme):
    path = f"/v1/webhook-endpoints/{make_endpoint(acme).public_id}/rotate-secret"
    text = post(admin_key, path, {}).json()["secret"]
    assert "secret" not in post(admin_key, path, {}).json()
    assert [name for name, row in rows() if text[6:] in row] == []


def rows() -> list[tuple[str, str]]:
    return [(model._meta.label, repr(row)) for model in apps.get_models() for row in model._base_manager.values()]


@pytest.mark.pure
def test_secrets_are_dropped_at_any_depth():
    answer = {"id": 1, "key": "a", "in": [{"secret": "b", "kept": [1, {"key": "c"}]}], "mask": "m"}
    assert idempotency_store.without_secrets(answer) == {"id": 1, "in": [{"kept": [1, {}]}], "mask": "m"}


def test_neither_the_header_nor_the_body_is_kept_as_text(acme_key):
    post(acme_key, "/v1/users", USER, text="order-4711-of-a-person")
    record = repr(IdempotencyRecord.objects.values().get())
    assert "order-4711" not in record and USER["password"] not in record
    assert (len(IdempotencyRecord.objects.get().body_digest), IdempotencyRecord.objects.get().pepper_id) == (64, "t1")


def test_a_replay_after_the_object_is_gone(admin_key, acme):
    endpoint = make_endpoint(acme)
    path = f"/v1/webhook-endpoints/{endpoint.public_id}/pause"
    first = post(admin_key, path, {})
    endpoints.delete_endpoint(actor=system(acme.pk), endpoint_id=endpoint.public_id)
    again = post(admin_key, path, {})
    assert (first.status_code, again.status_code, is_replay(again)) == (200, 200, True)


def test_a_replay_is_a_call_of_its_own(acme_key):
    answers = [post(acme_key, "/v1/events", EVENT, **{"X-Request-ID": f"request-{n}"}) for n in range(2)]
    assert [answer["X-Request-ID"] for answer in answers] == ["request-0", "request-1"]
    assert [answer["RateLimit-Remaining"] for answer in answers] == ["99", "98"]
    logged = ApiCall.objects.order_by("pk").values_list("request_id", "route", "status")
    assert list(logged) == [("request-0", "/v1/events", 202), ("request-1", "/v1/events", 202)]


# What is another request


def test_another_body_is_a_conflict(acme_key):
    post(acme_key, "/v1/events", EVENT)
    answer = post(acme_key, "/v1/events", {**EVENT, "data": {**DATA, "status": "paid"}})
    assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_conflict")
    assert published() == 1
    assert is_replay(post(acme_key, "/v1/events", EVENT))


def test_another_header_path_or_credential_is_another_request(acme_key, make_key, acme, rival_key):
    other_key = make_key(acme)
    answers = [
        post(acme_key, "/v1/events", EVENT),
        post(acme_key, "/v1/events", EVENT, text="two"),
        post(acme_key, "/v1/events", EVENT, text="ONE"),
        post(other_key, "/v1/events", EVENT),
        post(rival_key, "/v1/events", EVENT),
        post(acme_key, "/v1/events/batch", {"events": [EVENT]}),
    ]
    assert [(answer.status_code, is_replay(answer)) for answer in answers] == [(202, False)] * 6
    assert published() == 6


def test_a_session_is_the_person_in_the_organization(browser_of, ada, ann, acme, rival):
    Membership.objects.create(organization=rival, user=ada, role=Role.OWNER)

    def send(browser: Client, slug: str, email: str = "jo@example.com") -> Any:
        path, headers = f"/v1/users?organization={slug}", {**HTML, "Idempotency-Key": "one"}
        return browser.post(path, {**USER, "email": email}, content_type="application/json", headers=headers)

    hers, anns = browser_of(ada), browser_of(ann)
    assert not is_replay(send(hers, "acme"))
    assert is_replay(send(hers, "acme")) and is_replay(send(browser_of(ada), "acme"))
    # The same body elsewhere, or by somebody else, is judged anew: here the address is taken, there it is not.
    elsewhere = send(hers, "rival")
    assert (elsewhere.status_code, is_replay(elsewhere), send(anns, "acme").status_code) == (201, False, 400)
    assert send(hers, "rival", "al@example.com").status_code == 409
    assert User.objects.filter(email__endswith="@example.com").count() == 2


def test_other_methods_ignore_it(api, acme_key, acme, person):
    path = f"/v1/users/{person('Bob', acme).public_id}"
    for name in ("Bert", "Bill"):
        assert api(acme_key).put(path, {"name": name}, headers={"Idempotency-Key": "one"}).status_code == 200
        assert api(acme_key).get(path, headers={"Idempotency-Key": "ü"}).json()["name"] == name
    assert not IdempotencyRecord.objects.exists()


def test_a_method_that_declares_so_ignores_it(acme_key):
    for text in ("one", "one", "not visible \x7f"):
        answer = post(acme_key, "/v1/leaked-keys", {"key": "ipk_unknown"}, text=text)
        assert answer.status_code == 202 and not is_replay(answer)
    assert not IdempotencyRecord.objects.exists()


@pytest.mark.parametrize("text", ["", "x" * 256, "with space", "tab\tbed", "ümlaut", "del\x7f"])
def test_a_header_that_is_none_is_named(acme_key, text):
    answer = post(acme_key, "/v1/events", EVENT, text=text.encode().decode("latin-1"))
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
    assert list(answer.json()["fields"]) == ["Idempotency-Key"]
    assert published() == 0 and not IdempotencyRecord.objects.exists()


@pytest.mark.parametrize("text", ["!", "~", "x" * 255, "8e03978e-40d5-43dd-bc93-6894a57f9324"])
def test_every_visible_letter_will_do(acme_key, text):
    assert not is_replay(post(acme_key, "/v1/events", EVENT, text=text))
    assert is_replay(post(acme_key, "/v1/events", EVENT, text=text))


# What is kept


def test_a_409_is_kept(acme, admin_key):
    acme.endpoint_limit = 0
    acme.save()
    body = {"url": "https://hooks.example.com/", "event_types": ["*"]}
    first = post(admin_key, "/v1/webhook-endpoints", body)
    assert (first.status_code, first.json()["code"]) == (409, "endpoint_limit_reached")
    Organization.objects.update(endpoint_limit=None)
    again = post(admin_key, "/v1/webhook-endpoints", body)
    assert (again.status_code, again.content, is_replay(again)) == (409, first.content, True)


def test_a_207_is_kept(acme_key):
    body = {"users": [USER, {**USER, "email": "bad"}]}
    first, again = (post(acme_key, "/v1/users/batch", body) for _ in range(2))
    assert (first.status_code, again.status_code, is_replay(again)) == (207, 207, True)
    assert first.json() == again.json()


@pytest.mark.parametrize("body", [{**USER, "email": "bad"}, b"{", {**USER, "id": "user_x"}, b"x" * (1024 * 1024 + 1)])
def test_a_bad_body_is_judged_as_ever_and_frees_the_header(acme_key, body):
    plain = Api(acme_key).post("/v1/users", body)
    answer = post(acme_key, "/v1/users", body)
    without_id = [{**each.json(), "request_id": ""} for each in (plain, answer)]
    assert (answer.status_code, without_id[0]) == (plain.status_code, without_id[1])
    assert not IdempotencyRecord.objects.exists()
    assert post(acme_key, "/v1/users", USER).status_code == 201


def test_a_bad_body_is_a_bad_body_also_where_the_header_was_used(acme_key):
    post(acme_key, "/v1/users", USER)
    assert post(acme_key, "/v1/users", {**USER, "email": "bad"}).status_code == 400
    assert post(acme_key, "/v1/users/", b"{").status_code == 400


def test_another_content_type_is_415(acme_key):
    headers = {"Idempotency-Key": "one"}
    answer = Api(acme_key).client.post("/v1/users", "x=1", content_type="text/plain", headers=headers)
    assert answer.status_code == 415
    form = Api(acme_key).client.post("/v1/users", {"x": "1"}, headers=headers)  # multipart
    assert form.status_code == 415


def test_what_the_action_refuses_is_not_kept(acme_key, acme, person):
    bob = person("Bob", acme)
    taken = {**USER, "email": bob.email}
    assert post(acme_key, "/v1/users", taken).status_code == 400
    assert not IdempotencyRecord.objects.exists()
    bob.delete()
    assert post(acme_key, "/v1/users", taken).status_code == 201


def test_a_forbidden_action_is_not_kept(make_key, acme):
    maker = make_key(acme, "api_keys:write")
    assert post(maker, "/v1/api-keys", NEW_KEY).status_code == 403
    assert not IdempotencyRecord.objects.exists()


def test_a_500_is_not_kept_and_leaves_nothing(acme_key, monkeypatch):
    from apps.webhooks.api import events as api_views

    with monkeypatch.context() as patch:
        patch.setattr(api_views.AcceptedEventSerializer, "write", lambda _accepted: 1 / 0)
        assert post(acme_key, "/v1/events", EVENT).status_code == 500
    assert not IdempotencyRecord.objects.exists() and published() == 0
    assert post(acme_key, "/v1/events", EVENT).status_code == 202


# Who may not call gets nothing that is stored


@pytest.mark.django_db(transaction=True)
def test_a_revoked_key_gets_no_stored_answer(acme_key, acme):
    post(acme_key, "/v1/events", EVENT)
    keys.revoke_key(actor=system(acme.pk), key_id=acme_key.row.public_id)
    assert post(acme_key, "/v1/events", EVENT).status_code == 401


def test_a_limited_key_gets_no_stored_answer(make_key, acme):
    key = make_key(acme, limits={"minute": 2})
    statuses = [post(key, "/v1/events", EVENT).status_code for _ in range(4)]
    assert statuses == [202, 202, 429, 429]


def test_a_key_that_lost_the_scope_gets_no_stored_answer(acme_key):
    post(acme_key, "/v1/events", EVENT)
    ApiKey.objects.update(scopes=["users:read"])
    key_check.cache._rows.clear()
    answer = post(acme_key, "/v1/events", EVENT)
    assert (answer.status_code, answer.json()["code"]) == (403, "insufficient_scope")


def test_a_lowered_member_gets_no_stored_answer(browser_of, ada, acme):
    browser = browser_of(ada)
    headers = {**HTML, "Idempotency-Key": "one"}
    options: dict[str, Any] = {"content_type": "application/json", "headers": headers}
    assert browser.post("/v1/users", USER, **options).status_code == 201
    Membership.objects.filter(user=ada).update(role=Role.VIEWER)
    assert browser.post("/v1/users", USER, **options).status_code == 403


# Time


def test_the_header_is_free_again_after_24_hours(acme_key):
    start = timezone.now()
    with time_machine.travel(start, tick=False) as clock:
        post(acme_key, "/v1/events", EVENT)
        clock.move_to(start + timedelta(hours=23, minutes=59))
        assert is_replay(post(acme_key, "/v1/events", EVENT))
        clock.move_to(start + timedelta(hours=24, seconds=1))
        later = post(acme_key, "/v1/events", {**EVENT, "data": {**DATA, "status": "paid"}})
        assert (later.status_code, is_replay(later)) == (202, False)
    assert (published(), IdempotencyRecord.objects.count()) == (2, 1)


def reserved(key: Key, body: Any = EVENT, **values: Any) -> None:
    """Leave what a process that died in the middle leaves."""
    post(key, "/v1/events", body)
    Event.objects.all().delete()
    IdempotencyRecord.objects.update(status=None, answer="", **values)


def test_a_running_request_is_waited_for(acme_key):
    reserved(acme_key)
    answer = post(acme_key, "/v1/events", EVENT)
    assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_in_progress")
    other = post(acme_key, "/v1/events", {**EVENT, "data": {**DATA, "status": "paid"}})
    assert other.json()["code"] == "idempotency_conflict"
    assert published() == 0


def test_a_reservation_without_an_answer_is_free_after_a_minute(acme_key):
    reserved(acme_key, reserved_at=timezone.now() - timedelta(seconds=61))
    answer = post(acme_key, "/v1/events", EVENT)
    assert (answer.status_code, is_replay(answer), published()) == (202, False, 1)
    assert is_replay(post(acme_key, "/v1/events", EVENT))


def test_old_records_are_pruned(acme_key, monkeypatch):
    monkeypatch.setattr(idempotency_store, "PRUNE_BATCH", 2)
    for number in range(6):
        post(acme_key, "/v1/events", EVENT, text=str(number))
    old = list(IdempotencyRecord.objects.values_list("pk", flat=True)[:5])
    IdempotencyRecord.objects.filter(pk__in=old).update(reserved_at=timezone.now() - timedelta(hours=25))
    assert (idempotency_store.prune(), IdempotencyRecord.objects.count()) == (5, 1)


def test_a_rotated_pepper_still_recognizes_the_body(acme_key, settings):
    first = post(acme_key, "/v1/events", EVENT)
    old = settings.KEY_PEPPERS
    settings.KEY_PEPPERS = {"t2": b"q" * 32, **old}
    again = post(acme_key, "/v1/events", EVENT)
    assert (is_replay(again), json.loads(again.content)) == (True, first.json())

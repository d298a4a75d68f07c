"""``POST /v1/users/batch``: each user judged as ``POST /v1/users`` would, one bad one undoes no other."""

import time
from collections import Counter
from typing import Any

import pytest

from apps.audit.models import AuditEntry
from apps.orgs.models import Membership, Role, User
from apps.webhooks.models import Event
from tests.conftest import Api
from tests.engines import flat, in_threads

pytestmark = pytest.mark.django_db

TAKEN = "Email address is already in use."


def someone(number: int = 0, **changes: Any) -> dict[str, Any]:
    return {"name": f"User {number}", "email": f"user{number}@example.com", "password": "password1", **changes}


def send(key: Any, *users: Any) -> Any:
    return Api(key).post("/v1/users/batch", {"users": list(users)})


def made() -> list[str]:
    return list(User.objects.filter(email__endswith="@example.com").order_by("pk").values_list("email", flat=True))


def test_it_makes_viewers_in_the_order_sent(acme_key, acme):
    answer = send(acme_key, someone(2), someone(1), someone(3))
    assert answer.status_code == 200
    assert [list(result) for result in answer.json()["results"]] == [["status", "user"]] * 3
    users = [result["user"] for result in answer.json()["results"]]
    assert [user["email"] for user in users] == ["user2@example.com", "user1@example.com", "user3@example.com"]
    assert {result["status"] for result in answer.json()["results"]} == {201}
    assert made() == [user["email"] for user in users]
    assert users == Api(acme_key).get("/v1/users").json()
    assert set(Membership.objects.filter(organization=acme).values_list("role", flat=True)) == {Role.VIEWER}
    first = User.objects.get(email="user2@example.com")
    assert first.check_password("password1") and first.password_is_provisional


def test_each_user_has_an_audit_entry_and_an_event(acme_key):
    send(acme_key, someone(1), someone(2), someone(3, email="bad"))
    ids = {user.public_id for user in User.objects.filter(email__endswith="@example.com")}
    assert set(AuditEntry.objects.filter(action="user.created").values_list("target_id", flat=True)) == ids
    assert AuditEntry.objects.filter(action="user.created").count() == 2
    assert Event.objects.filter(type="user.created").count() == 2


def test_a_bad_one_does_not_undo_the_others(acme_key):
    answer = send(acme_key, someone(1), someone(2, password="short"), someone(3))
    assert answer.status_code == 207
    statuses = [result["status"] for result in answer.json()["results"]]
    assert statuses == [201, 400, 201]
    assert made() == ["user1@example.com", "user3@example.com"]


@pytest.mark.parametrize(
    "item",
    [
        someone(password="short"),
        someone(password="x" * 129),
        someone(email="no address"),
        someone(name=""),
        someone(name=5),
        someone(surname="B"),
        someone(id="user_x"),
        someone(role="owner"),
        {},
        {"name": "Jo"},
    ],
)
def test_it_is_judged_as_a_single_one_is(acme_key, item):
    single = Api(acme_key).post("/v1/users", item).json()
    answer = send(acme_key, item)
    expected = {"status": 400, "error": single["error"], "fields": single["fields"]}
    assert (answer.status_code, answer.json()["results"]) == (207, [expected])
    assert made() == []


@pytest.mark.parametrize("item", [None, 5, "text", [], True, 1.5])
def test_what_is_no_object_is_one_bad_item(acme_key, item):
    answer = send(acme_key, item, someone())
    assert [result["status"] for result in answer.json()["results"]] == [400, 201]
    assert list(answer.json()["results"][0]["fields"]) == ["body"]


def test_a_taken_address_is_refused_in_any_case(acme_key, ada):
    answer = send(acme_key, someone(email="ADA@acme.example"), someone(1), someone(2, email="USER1@example.com"))
    refused = {"status": 400, "error": TAKEN, "fields": {"email": [TAKEN]}}
    results = answer.json()["results"]
    assert (answer.status_code, results[0], results[1]["status"], results[2]) == (207, refused, 201, refused)
    assert made() == ["user1@example.com"]


@pytest.mark.parametrize("users", [[], [someone(number) for number in range(101)], {"a": 1}, "text", None, 5])
def test_it_takes_a_list_of_1_to_100(acme_key, users):
    answer = Api(acme_key).post("/v1/users/batch", {"users": users})
    assert (answer.status_code, list(answer.json()["fields"])) == (400, ["users"])
    assert made() == []


def test_it_names_what_it_does_not_know(acme_key):
    assert list(Api(acme_key).post("/v1/users/batch", {}).json()["fields"]) == ["users"]
    answer = Api(acme_key).post("/v1/users/batch", {"users": [someone()], "role": "owner"})
    assert (answer.status_code, list(answer.json()["fields"])) == (400, ["role"])
    assert made() == []


def test_it_counts_once(acme_key):
    answer = send(acme_key, *map(someone, range(5)))
    assert answer["RateLimit-Remaining"] == "99"


def test_it_takes_the_scope(make_key, acme):
    assert send(make_key(acme, "users:read"), someone()).status_code == 403
    assert made() == []


def test_a_hundred_take_seconds(acme_key):
    started = time.process_time()
    answer = send(acme_key, *map(someone, range(100)))
    assert (answer.status_code, len(made())) == (200, 100)
    assert time.process_time() - started < 15  # a few seconds; of the processor, for others may use it too


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("no_heavy_work_limit")
def test_the_same_batch_sent_at_once_creates_each_user_once(admin_key):
    """Each in another order: none waits for another that waits for it."""

    def make(number: int) -> list[int]:
        users = [someone(each) for each in range(6)]
        order = users[number % 6 :] + users[: number % 6]
        answer = send(admin_key, *(reversed(order) if number % 2 else order))
        assert answer.status_code in (200, 207)
        return [result["status"] for result in answer.json()["results"]]

    assert Counter(flat(in_threads(8, make))) == {201: 6, 400: 42}
    assert sorted(made()) == [f"user{number}@example.com" for number in range(6)]

"""``/v1/users`` to the letter of M21–M24."""

import re

import pytest
from allauth.account.models import EmailAddress
from django.test import Client

from apps.orgs.mail.token_links import confirm_address_link
from apps.orgs.models import Membership, Role, User

pytestmark = pytest.mark.django_db
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
BODY = {"name": "Jo Blunt", "email": "jo@example.com", "password": "password1"}


def test_it_lists_users_as_a_bare_array(api, acme_key, ada):
    answer = api(acme_key).get("/v1/users?limit=10&offset=0")
    assert answer.status_code == 200
    assert answer.json() == [
        {"id": ada.public_id, "name": "Ada", "email": "ada@acme.example", "created_at": answer.json()[0]["created_at"]}
    ]
    assert INSTANT.fullmatch(answer.json()[0]["created_at"])
    assert answer["X-Total-Count"] == "1"


def test_it_creates_a_viewer(api, acme_key, acme):
    answer = api(acme_key).post("/v1/users", BODY)
    assert answer.status_code == 201
    assert set(answer.json()) == {"id", "name", "email", "created_at"}
    user = User.objects.get(email="jo@example.com")
    assert answer.json()["id"] == user.public_id
    assert Membership.objects.get(user=user).role == Role.VIEWER
    assert user.check_password("password1") and user.password_is_provisional


def test_it_refuses_a_taken_address_in_any_case(api, acme_key, ada):
    answer = api(acme_key).post("/v1/users", {**BODY, "email": "ADA@acme.example"})
    assert answer.status_code == 400
    assert answer.json()["error"] == "Email address is already in use."
    assert answer.json()["code"] == "invalid_request"
    assert answer.json()["fields"] == {"email": ["Email address is already in use."]}
    assert User.objects.count() == 1


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"password": "short"}, "password"),
        ({"password": "x" * 129}, "password"),
        ({"email": "no address"}, "email"),
        ({"name": ""}, "name"),
        ({"name": 5}, "name"),
        ({"surname": "B"}, "surname"),
        ({"id": "user_x"}, "id"),
    ],
)
def test_it_names_the_field_to_blame(api, acme_key, change, field):
    answer = api(acme_key).post("/v1/users", {**BODY, **change})
    assert answer.status_code == 400
    assert list(answer.json()["fields"]) == [field]
    assert not User.objects.exists()


def test_it_changes_name_and_address(api, acme_key, acme, person, mailoutbox):
    user = person("Bob", acme)
    answer = api(acme_key).put(f"/v1/users/{user.public_id}", {"name": "Robert", "email": "rob@example.com"})
    assert answer.status_code == 200
    assert list(answer.json()) == ["id", "name", "email", "updated_at"]
    user.refresh_from_db()
    assert (user.name, user.email, user.session_epoch) == ("Robert", "rob@example.com", 1)


def test_it_refuses_a_change_of_nothing(api, acme_key, acme, person):
    answer = api(acme_key).put(f"/v1/users/{person('Bob', acme).public_id}", {})
    assert answer.status_code == 400


def test_it_erases_an_account_of_no_other_organization(api, acme_key, acme, person):
    user = person("Bob", acme)
    answer = api(acme_key).delete(f"/v1/users/{user.public_id}")
    assert (answer.status_code, answer.content) == (204, b"")
    assert not User.objects.filter(pk=user.pk).exists()
    assert api(acme_key).post("/v1/users", {**BODY, "email": user.email}).status_code == 201


def test_it_only_removes_an_account_of_two_organizations(api, acme_key, acme, rival, person):
    user = person("Bob", acme)
    Membership.objects.create(organization=rival, user=user, role=Role.VIEWER)
    answer = api(acme_key).put(f"/v1/users/{user.public_id}", {"name": "Mine now"})
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert api(acme_key).delete(f"/v1/users/{user.public_id}").status_code == 204
    assert Membership.objects.get(user=user).organization == rival


@pytest.mark.parametrize("method", ["put", "delete"])
@pytest.mark.parametrize("role", ["owner", "admin", "developer"])
def test_a_key_without_admin_touches_viewers_only(api, acme_key, acme, person, method, role):
    target = person("Tess", acme, role)
    body = {"email": "thief@example.com"} if method == "put" else None
    answer = getattr(api(acme_key), method)(f"/v1/users/{target.public_id}", body)
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    target.refresh_from_db()
    assert target.email == "tess@acme.example"


def test_no_key_touches_an_owner(api, admin_key, ada, ann):
    assert api(admin_key).put(f"/v1/users/{ann.public_id}", {"name": "Anna"}).status_code == 200
    answer = api(admin_key).put(f"/v1/users/{ada.public_id}", {"email": "thief@example.com"})
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert api(admin_key).delete(f"/v1/users/{ada.public_id}").status_code == 403


def test_nobody_touches_an_operator_here(api, admin_key, acme, person):
    operator = person("Olga", acme, is_staff=True)
    assert api(admin_key).put(f"/v1/users/{operator.public_id}", {"name": "O"}).status_code == 403


def test_a_stranger_gets_404(api, rival_key, ada):
    for method in ("get", "put", "delete"):
        answer = getattr(api(rival_key), method)(f"/v1/users/{ada.public_id}")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert User.objects.filter(pk=ada.pk).exists()


def test_the_provisional_password_ends_with_the_confirmation(acme, api, acme_key):
    api(acme_key).post("/v1/users", BODY)
    user = User.objects.get(email="jo@example.com")
    Client().post(confirm_address_link(EmailAddress.objects.get(user=user)).partition(":8000")[2])
    user.refresh_from_db()
    assert not user.has_usable_password()
    assert (user.password_is_provisional, user.session_epoch) == (False, 1)

"""An account created through the API claims an address: it reveals no accounts elsewhere and blocks no one."""

import json

import pytest
from allauth.account.models import EmailAddress
from django.contrib.admin import site
from django.core import mail
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.audit.models import AuditEntry
from apps.audit.operator_admin.list_search import search
from apps.base.actor import system
from apps.orgs.accounts.sso import identities
from apps.orgs.invitations import actions as invitation_actions
from apps.orgs.mail.jobs import send_due_mail
from apps.orgs.mail.token_links import confirm_address_link, set_password_link
from apps.orgs.models import Invitation, Membership, OutgoingMail, User
from apps.webhooks.models import Event
from tests.conftest import PASSWORD
from tests.engines import flat, in_threads
from tests.orgs.browsers import has_access
from tests.orgs.mailbox import HERE, LINK, follow, newest_link, situation

pytestmark = pytest.mark.django_db
Q = "q@example.com"
BODY = {"name": "As Acme calls them", "email": Q, "password": "chosen by a key"}
OWN = {"name": "Quinn", "password": "chosen by Quinn"}


def sign_in(email, password):
    browser = Client()
    browser.answer = browser.post("/account/login/", {"login": email, "password": password})
    return browser


def links(email=Q):
    send_due_mail()
    return [LINK.search(each.body)[1] for each in mail.outbox if each.to == [email] and LINK.search(each.body)]


def reset_path():
    """Send what waits and return the newest link by which Quinn chooses a password."""
    send_due_mail()
    bodies = [each.body for each in mail.outbox if each.to == [Q] and "/password/reset/key/" in each.body]
    return bodies[-1].partition("http://127.0.0.1:8000")[2].split()[0]


def choose_password(path):
    browser = Client()
    page = browser.get(path)
    return page.status_code == 302 and browser.post(
        page["Location"], {"password1": OWN["password"], "password2": OWN["password"]}
    )


@pytest.fixture
def quinn(person, rival):
    """Somebody with an account elsewhere."""
    user = person("Quinn", rival)
    User.objects.filter(pk=user.pk).update(email=Q)
    EmailAddress.objects.filter(user=user).update(email=Q)
    return User.objects.get(pk=user.pk)


# What the organization sees is the same, whether there is an account elsewhere or not


def test_nothing_tells_of_an_account_elsewhere(api, acme_key, quinn, browser_of, ada, acme):
    seen = []
    for email in (Q, "new@example.com"):
        with CaptureQueriesContext(connection) as queries:
            answer = api(acme_key).post("/v1/users", {**BODY, "email": email})
        path = f"/v1/users/{answer.json()['id']}"
        send_due_mail()
        single, listed = api(acme_key).get(path).json(), api(acme_key).get("/v1/users").json()[-1]
        changed = api(acme_key).patch(path, {"name": "Changed"})
        again = api(acme_key).post("/v1/users", {**BODY, "email": email.upper()})
        page = browser_of(ada).get(f"/o/acme/settings/organization/members/?q={email}").content.decode()
        entry = AuditEntry.objects.filter(action="user.created").latest("pk")
        data = json.loads(Event.objects.filter(type="user.created").latest("pk").body)["data"]
        assert answer.json()["id"] == single["id"] == listed["id"] == entry.target_id == data["id"]
        seen.append((
            (answer.status_code, sorted(answer.json()), answer.json()["name"], len(queries)),
            (sorted(single), single["name"], listed == answer.json(), changed.status_code, changed.json()["name"]),
            (again.status_code, again.json()["error"], entry.changes["name"], data["name"]),
            ("Changed" in page, "Quinn" in page, page.count("<tr"), api(acme_key).get("/v1/invitations").json()),
        ))  # fmt: skip
    assert seen[0] == seen[1]
    assert seen[0][2][:2] == (400, "Email address is already in use.")
    assert not AuditEntry.objects.filter(action__startswith="invitation.").exists()


def test_the_log_tells_of_no_failed_sign_in_elsewhere(api, acme_key, quinn, acme):
    for email in (Q, "new@example.com"):
        api(acme_key).post("/v1/users", {**BODY, "email": email})
        for password in (BODY["password"], "wrong"):
            sign_in(email, password)
    failures = AuditEntry.objects.filter(action="session.sign_in_failed")
    assert failures.exists() and not failures.filter(organization=acme).exists()


def test_a_change_of_address_tells_nothing_either(api, acme_key, quinn, person, acme):
    for number, email in enumerate((Q, "new@example.com")):
        path = f"/v1/users/{person(f'Bob{number}', acme).public_id}"
        answer = api(acme_key).patch(path, {"email": email})
        assert (answer.status_code, answer.json()["email"]) == (200, email)
    quinn.refresh_from_db()
    assert has_access(sign_in(Q, PASSWORD), "rival"), "whose account it is notices nothing"


def test_an_address_is_not_reserved(api, acme_key, rival_key):
    ids = {api(key).post("/v1/users", BODY).json()["id"] for key in (acme_key, rival_key)}
    assert len(ids) == 2
    batch = api(rival_key).post("/v1/users/batch", {"users": [BODY, {**BODY, "email": "w@example.com"}]})
    assert [each["status"] for each in batch.json()["results"]] == [400, 201]


# Taking the place


def test_the_account_elsewhere_takes_the_place_and_the_id_stays(api, acme_key, quinn, acme):
    made = api(acme_key).post("/v1/users", BODY).json()
    Membership.objects.filter(organization=acme).update(created_at="2026-11-01T10:00:00Z")
    browser = follow(links()[-1], sign_in(Q, PASSWORD))
    assert situation(browser) == "ready" and not has_access(browser)
    browser.post(HERE)
    assert has_access(browser) and has_access(browser, "rival")
    found = api(acme_key).get(f"/v1/users/{made['id']}").json()
    assert (found["name"], found["email"], found["created_at"]) == ("Quinn", Q, "2026-11-01T10:00:00Z")
    assert [each["id"] for each in api(acme_key).get("/v1/users").json()] == [made["id"]]
    assert api(acme_key).get(f"/v1/users/{quinn.public_id}").status_code == 404, "the account's id is another one"
    assert User.objects.filter(email=Q).get() == quinn and quinn.check_password(PASSWORD)
    assert json.loads(Event.objects.filter(organization=acme).latest("pk").body)["data"] == {
        "id": made["id"], "name": "Quinn", "email": Q,
    }  # fmt: skip
    browser.post("/account/", {"name": "Quinn Q"})
    entry = AuditEntry.objects.filter(organization=acme, action="user.updated").latest("pk")
    assert (entry.actor_id, entry.target_id) == (made["id"], made["id"])
    other = AuditEntry.objects.filter(organization__slug="rival", action="user.updated").latest("pk")
    assert (other.actor_id, other.target_id) == (quinn.public_id, quinn.public_id)
    assert api(acme_key).delete(f"/v1/users/{made['id']}").status_code == 204
    assert not has_access(browser) and has_access(browser, "rival")


def test_operators_find_the_place_by_the_id_that_the_organization_has(api, acme_key, quinn, acme):
    made = api(acme_key).post("/v1/users", BODY).json()
    follow(links()[-1], sign_in(Q, PASSWORD)).post(HERE)
    for model, found in ((Membership, Membership.objects.get(organization=acme)), (User, quinn)):
        readings = site._registry[model].search_fields
        assert list(search(model._base_manager.all(), readings, made["id"])) == [found]
    assert list(search(User.rows.all(), ("email__startswith",), " Q@EXAMPLE.com ")) == [quinn]


def test_withdrawing_and_moving_end_the_link(api, acme_key, quinn):
    made = api(acme_key).post("/v1/users", BODY).json()
    path = f"/v1/users/{made['id']}"
    old = links()[-1]
    tag = api(acme_key).get(path)["ETag"]
    moved = api(acme_key).patch(path, {"email": "other@example.com"}, headers={"If-Match": tag})
    assert moved.status_code == 200 and Client().get(old).status_code == 404
    assert api(acme_key).patch(path, {"email": Q}, headers={"If-Match": tag}).status_code == 412
    api(acme_key).patch(path, {"email": Q})
    new = links()[-1]
    assert new != old and Client().get(old).status_code == 404
    assert api(acme_key).delete(path).status_code == 204
    assert Client().get(new).status_code == 404 and api(acme_key).get(path).status_code == 404
    assert quinn == User.objects.get(email=Q)


def test_no_flood_comes_and_the_next_sign_in_asks_again(api, acme_key, quinn):
    for turn in range(12):
        made = api(acme_key).post("/v1/users", BODY).json()
        send_due_mail()
        if turn < 11:
            api(acme_key).delete(f"/v1/users/{made['id']}")
    assert len(links()) == 10 and not Invitation.objects.exists()
    OutgoingMail.objects.update(sent_at="2026-01-01T00:00:00Z")
    sign_in(Q, PASSWORD)
    assert len(links()) == 11
    sign_in(Q, PASSWORD)
    assert len(links()) == 11, "one link that works is enough"


# Until then no one can sign in


def test_the_first_sign_in_sends_a_link_and_says_what_a_wrong_password_says(api, acme_key):
    api(acme_key).post("/v1/users", BODY)
    right, wrong, unknown = (
        sign_in(*each) for each in ((Q, BODY["password"]), (Q, "wrong"), ("nobody@example.com", "wrong"))
    )
    errors = [each.answer.context["form"].non_field_errors() for each in (right, wrong, unknown)]
    assert errors[0] == errors[1] == errors[2] and "check the inbox" in errors[0][0]
    assert [each for each in (right, wrong, unknown) if "_auth_user_id" in each.session] == []
    path = reset_path()
    assert len(mail.outbox) == 1 and "Verify your email address" in mail.outbox[0].subject
    assert choose_password(path)
    assert has_access(sign_in(Q, OWN["password"])) and not has_access(sign_in(Q, BODY["password"]))
    assert not choose_password(path), "it works once"


def test_a_changed_address_waits_as_well(api, acme_key, person, acme):
    bob = person("Bob", acme)
    browser = sign_in(bob.email, PASSWORD)
    api(acme_key).patch(f"/v1/users/{bob.public_id}", {"email": Q})
    assert not has_access(browser) and not has_access(sign_in(Q, PASSWORD))
    choose_password(reset_path())
    assert has_access(sign_in(Q, OWN["password"]))


def test_the_first_who_verifies_has_the_address_and_the_others_ask(api, acme_key, rival_key):
    for key in (acme_key, rival_key):
        api(key).post("/v1/users", BODY)
    assert links() == []
    Client().post("/account/password/reset/", {"email": Q})
    choose_password(reset_path())
    browser = sign_in(Q, OWN["password"])
    assert has_access(browser, "rival") and not has_access(browser)
    follow(links()[-1], browser).post(HERE)
    assert has_access(browser, "rival") and has_access(browser)
    assert User.objects.get(email=Q).check_password(OWN["password"])


def test_who_accepts_an_invitation_joins_and_shows_nothing_elsewhere(api, acme_key, admin_key, rival):
    made = api(acme_key).post("/v1/users", BODY).json()
    before = api(acme_key).get(f"/v1/users/{made['id']}").json()
    invitation_actions.invite(actor=system(rival.pk), email=Q, role="viewer")
    browser = follow(newest_link(Q))
    assert situation(browser) == "password"
    browser.post(HERE, OWN)
    assert has_access(browser, "rival") and not has_access(browser)
    assert not has_access(sign_in(Q, BODY["password"])) and not has_access(sign_in(Q, OWN["password"]))
    assert api(acme_key).get(f"/v1/users/{made['id']}").json() == before
    assert not AuditEntry.objects.filter(organization__slug="acme", action="session.signed_in").exists()
    [own] = Membership.objects.filter(organization=rival)
    assert own.user_public_id != made["id"]
    follow(links()[-1], browser).post(HERE)
    assert has_access(browser)
    after = api(acme_key).get(f"/v1/users/{made['id']}").json()
    assert (after["id"], after["name"]) == (made["id"], OWN["name"])


# Somebody got there first


def create(api, key, bob, admin):
    api(key).post("/v1/users", BODY)


def move(api, key, bob, admin):
    api(key).patch(f"/v1/users/{bob.public_id}", {"email": Q})


def create_and_reset(api, key, bob, admin):
    create(api, key, bob, admin)
    sign_in(Q, BODY["password"])
    choose_password(reset_path())


def create_and_sign_on(api, key, bob, admin):
    create(api, key, bob, admin)
    user = identities.find_or_link_identity(
        actor=system(), issuer="https://idp.example", subject="q", email=Q, is_verified=True
    )
    User.objects.filter(pk=user.pk).update(password=User.objects.get(pk=bob.pk).password)


@pytest.mark.parametrize(("first", "expected", "password"), [
    (create, "password", None), (move, "password", None),
    (create_and_reset, "sign_in", OWN["password"]), (create_and_sign_on, "sign_in", PASSWORD),
])  # fmt: skip
def test_the_invited_role_comes_whoever_got_there_first(
    api, acme_key, admin_key, person, acme, first, expected, password
):
    bob = person("Bob", acme)
    api(admin_key).post("/v1/invitations", {"email": Q, "role": "admin"})
    link = newest_link(Q)
    first(api, acme_key, bob, admin_key)
    known = next(each["id"] for each in api(acme_key).get("/v1/users").json() if each["email"] == Q)
    browser = follow(link)
    assert situation(browser) == expected
    if password:
        browser = follow(link, sign_in(Q, password))
    assert browser.post(HERE, OWN)["Location"] == "/o/acme/settings/integration/"
    assert has_access(browser) and not has_access(sign_in(Q, BODY["password"]))
    member = Membership.objects.get(user__email=Q)
    assert (member.role, member.user_public_id) == ("admin", known)
    assert EmailAddress.objects.get(user=member.user, email=Q).verified
    assert Invitation.objects.get(membership=None).status == "accepted"


def test_an_account_elsewhere_gets_the_invited_role_and_the_place(api, acme_key, admin_key, quinn, acme):
    api(admin_key).post("/v1/invitations", {"email": Q, "role": "developer"})
    link = newest_link(Q)
    made = api(acme_key).post("/v1/users", BODY).json()
    assert links() == [link], "one invitation is enough"
    browser = follow(link, sign_in(Q, PASSWORD))
    browser.post(HERE)
    member = Membership.objects.get(organization=acme)
    assert (member.user, member.role, member.user_public_id) == (quinn, "developer", made["id"])


# A change of address ends links


def test_a_reset_link_is_dead_after_a_change_there_and_back(api, acme_key, person, acme):
    bob = person("Bob", acme)
    link = set_password_link(bob).partition(":8000")[2]
    for email in (Q, bob.email):
        api(acme_key).patch(f"/v1/users/{bob.public_id}", {"email": email})
    assert "no longer works" in Client().get(link).content.decode()


def test_a_link_that_confirms_an_address_is_dead_as_well(api, acme_key, person, acme):
    bob = person("Bob", acme)
    browser = sign_in(bob.email, PASSWORD)
    browser.post("/account/email/", {"email": "new@example.com", "action_add": ""})
    link = confirm_address_link(EmailAddress.objects.get(email="new@example.com")).partition(":8000")[2]
    for email in (Q, bob.email):
        api(acme_key).patch(f"/v1/users/{bob.public_id}", {"email": email})
    assert "no longer works" in Client().get(link).content.decode()


# At once


@pytest.mark.usefixtures("no_heavy_work_limit")
@pytest.mark.django_db(transaction=True)
def test_many_at_once_make_one_member_of_an_organization(acme, rival, acme_key, rival_key, api):
    def make(number):
        return [api(acme_key if number % 2 else rival_key).post("/v1/users", BODY).status_code]

    assert sorted(flat(in_threads(8, make))) == [201, 201, 400, 400, 400, 400, 400, 400]


@pytest.mark.django_db(transaction=True)
def test_two_who_verify_at_once_leave_one_account_with_the_address(acme, rival, acme_key, rival_key, api):
    for key in (acme_key, rival_key):
        api(key).post("/v1/users", BODY)
    paths = [set_password_link(user).partition(":8000")[2] for user in User.objects.filter(email=Q)]
    browsers = [Client(), Client()]
    pages = [browser.get(path)["Location"] for browser, path in zip(browsers, paths, strict=True)]
    form = {"password1": OWN["password"], "password2": OWN["password"]}
    answers = flat(in_threads(2, lambda number: [browsers[number].post(pages[number], form).status_code]))
    assert sorted(answers) == [200, 302]
    assert User.objects.filter(email=Q, password_is_provisional=False).count() == 1

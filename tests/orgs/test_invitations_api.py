"""``/v1/invitations``: who may invite whom, what is listed, what is sent."""

from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from apps.audit.models import AuditEntry
from apps.orgs.models import Invitation, OrganizationStatus, OutgoingMail
from tests.orgs.mailbox import newest_link, send

pytestmark = pytest.mark.django_db
PATH = "/v1/invitations"
JO = {"email": "jo@example.com", "role": "viewer"}


@pytest.fixture
def viewers(make_key, acme):
    return make_key(acme, "users:write")


def test_it_answers_what_was_offered_and_sends_a_mail(api, viewers, acme, mailoutbox):
    answer = api(viewers).post(PATH, {"email": "Jo@Example.com", "role": "viewer"})
    row = Invitation.objects.get()
    assert answer.status_code == 201
    assert answer.json() == {
        "id": row.public_id,
        "email": "jo@example.com",
        "role": "viewer",
        "expires_at": row.expires_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    assert answer.json()["id"].startswith("inv_") and len(answer.json()["id"]) == 26
    assert timedelta(days=6, hours=23) < row.expires_at - timezone.now() <= timedelta(days=7)
    newest_link("jo@example.com")
    assert "Acme Travel" in mailoutbox[0].subject and "viewer" in mailoutbox[0].body.lower()
    entry = AuditEntry.objects.get(action="invitation.created")
    assert (entry.target_id, entry.target_label, entry.changes) == (
        row.public_id, "jo@example.com", {"role": [None, "viewer"]},
    )  # fmt: skip


@pytest.mark.parametrize("body", [
    {}, {"email": "jo@example.com"}, {"role": "viewer"}, {"email": "jo", "role": "viewer"},
    {**JO, "role": "king"}, {**JO, "role": None}, {**JO, "role": 1}, {**JO, "role": ["viewer"]}, {**JO, "email": 1},
    {**JO, "expires_at": "2030-01-01"}, {**JO, "email": "a" * 250 + "@example.com"}, {**JO, "id": "inv_1"},
])  # fmt: skip
def test_a_bad_body_is_named_and_invites_nobody(api, admin_key, body):
    answer = api(admin_key).post(PATH, body)
    assert answer.status_code == 400 and answer.json()["fields"]
    assert not Invitation.objects.exists() and not OutgoingMail.objects.exists()


@pytest.mark.parametrize(("role", "limited", "admin"), [
    ("viewer", 201, 201), ("developer", 403, 201), ("admin", 403, 201), ("owner", 403, 403),
])  # fmt: skip
def test_a_key_without_admin_invites_viewers_and_none_invites_owners(api, viewers, admin_key, role, limited, admin):
    for key, expected in ((viewers, limited), (admin_key, admin)):
        answer = api(key).post(PATH, {"email": f"{expected}@example.com", "role": role})
        assert answer.status_code == expected
        assert expected == 201 or answer.json()["code"] == "forbidden"
        Invitation.objects.all().delete()


@pytest.mark.parametrize(("who", "role", "expected"), [
    ("ada", "owner", 201), ("ann", "owner", 403), ("ann", "admin", 201), ("dev", "viewer", 403),
])  # fmt: skip
def test_a_session_invites_as_its_role_may(request, who, role, expected, browser_of):
    browser = browser_of(request.getfixturevalue(who))
    answer = browser.post(PATH, {**JO, "role": role}, content_type="application/json", headers={"Accept": "text/html"})
    assert answer.status_code == expected


def test_whoever_is_a_member_or_invited_is_not_invited_again(api, admin_key, vera):
    for email, word in ((vera.email.upper(), "member"), ("jo@example.com", "invited")):
        if word == "invited":
            api(admin_key).post(PATH, JO)
        answer = api(admin_key).post(PATH, {"email": email, "role": "viewer"})
        assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
        assert f"is {'a ' if word == 'member' else ''}{word} already" in answer.json()["error"]
    assert Invitation.objects.count() == OutgoingMail.objects.count() == 1


def test_it_says_nothing_of_accounts_elsewhere(api, admin_key, zed, operator_account):
    for user in (zed, operator_account):
        assert api(admin_key).post(PATH, {"email": user.email, "role": "viewer"}).status_code == 201


@pytest.fixture
def operator_account(person):
    return person("Olga", is_staff=True)


def test_past_its_time_another_takes_its_place(api, admin_key):
    api(admin_key).post(PATH, JO)
    with time_machine.travel(timezone.now() + timedelta(days=7, minutes=1)):
        assert [each["email"] for each in api(admin_key).get(PATH).json()] == ["jo@example.com"]
        assert api(admin_key).post(PATH, {**JO, "role": "developer"}).status_code == 201
    assert [each["role"] for each in api(admin_key).get(PATH).json()] == ["developer"]
    assert sorted(Invitation.objects.values_list("status", flat=True)) == ["expired", "sent"]


def test_the_list_is_what_stands_oldest_first(api, admin_key, make_key, acme, rival_key):
    made = [api(admin_key).post(PATH, {**JO, "email": f"{n}@example.com"}).json() for n in range(3)]
    api(rival_key).post(PATH, JO)
    api(admin_key).delete(f"{PATH}/{made[1]['id']}")
    answer = api(make_key(acme, "users:read")).get(f"{PATH}?limit=1&offset=1")
    assert answer.json() == [made[2]] and answer["X-Total-Count"] == "2" and 'rel="prev"' in answer["Link"]
    assert api(admin_key).get(f"{PATH}?limit=0").status_code == 400


def test_withdrawing_ends_it_and_is_said_once(api, admin_key, viewers, rival_key, client):
    made = api(admin_key).post(PATH, JO).json()
    path = f"{PATH}/{made['id']}"
    link = newest_link("jo@example.com")
    assert api(rival_key).delete(path).status_code == 404
    assert api(viewers).get(path).status_code == 405
    assert api(viewers).delete(path).status_code == 204
    assert api(viewers).delete(path).status_code == 404
    assert api(admin_key).get(PATH).json() == []
    assert AuditEntry.objects.filter(action="invitation.revoked").count() == 1
    client.get(link)
    assert client.get("/invitation/").context["situation"] == "revoked"


def test_a_waiting_mail_of_a_withdrawn_invitation_is_not_sent(api, admin_key, mailoutbox):
    made = api(admin_key).post(PATH, JO).json()
    api(admin_key).delete(f"{PATH}/{made['id']}")
    assert not OutgoingMail.objects.exists()


def test_a_limited_key_withdraws_no_more_than_it_could_offer(api, admin_key, viewers):
    made = api(admin_key).post(PATH, {**JO, "role": "admin"}).json()
    assert api(viewers).delete(f"{PATH}/{made['id']}").status_code == 403
    Invitation.objects.update(role="owner")
    assert api(admin_key).delete(f"{PATH}/{made['id']}").status_code == 403


def test_an_accepted_one_cannot_be_withdrawn(api, admin_key):
    made = api(admin_key).post(PATH, JO).json()
    Invitation.objects.update(status="accepted")
    answer = api(admin_key).delete(f"{PATH}/{made['id']}")
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict") and "remove the member" in answer.json()[
        "error"
    ]


def test_a_repeat_with_its_key_invites_once(api, admin_key):
    first, again = (api(admin_key).post(PATH, JO, headers={"Idempotency-Key": "one"}) for _ in range(2))
    assert first.json() == again.json() and again["Idempotency-Replayed"] == "true"
    assert Invitation.objects.count() == OutgoingMail.objects.count() == 1


def test_one_address_gets_no_flood(api, admin_key):
    def send():
        answer = api(admin_key).post(PATH, JO)
        if answer.status_code == 201:
            api(admin_key).delete(f"{PATH}/{answer.json()['id']}")
        return answer

    answers = [send() for _ in range(11)]
    assert [answer.status_code for answer in answers] == [201] * 10 + [429]
    assert 0 < int(answers[-1]["Retry-After"]) <= 3600
    assert api(admin_key).post(PATH, {**JO, "email": "al@example.com"}).status_code == 201


def test_a_suspended_organization_invites_nobody(api, admin_key, acme, ada, browser_of):
    acme.status = OrganizationStatus.SUSPENDED
    acme.save()
    assert api(admin_key).post(PATH, JO).json()["code"] == "organization_suspended"
    assert not Invitation.objects.exists()


def test_only_mails_that_leave_count(api, admin_key, browser_of, ada, acme):
    """Refused ones used up both limits: "Send again" was refused after one mail, and so was a fresh address."""
    sent = api(admin_key).post(PATH, JO).json()
    assert {api(admin_key).post(PATH, JO).status_code for _ in range(12)} == {409}
    browser = browser_of(ada)
    members = "/o/acme/settings/organization/members/"
    for _ in range(12):
        assert send(browser, f"{members}invite/", **JO).status_code == 422
    resend = f"/o/acme/settings/organization/invitations/{sent['id']}/resend/"

    def click():
        page = browser.get(members)
        token = next(row["resend"]["token"] for row in page.context["invitations"])
        return browser.post(resend, {"token": token}).status_code

    assert [click() for _ in range(10)] == [302] * 9 + [429]
    assert Invitation.objects.get().expires_at and OutgoingMail.objects.count() == 1
    assert api(admin_key).post(PATH, {**JO, "email": "al@example.com"}).status_code == 201


def test_a_change_to_ones_own_address_is_no_mail(browser_of, ada):
    browser = browser_of(ada)
    for email in [ada.email] * 12 + ["new@example.com"]:
        assert browser.post("/account/email/", {"email": email, "action_add": ""}).status_code == 302
    assert OutgoingMail.objects.filter(to="new@example.com").exists()

"""Who may make whom what, remove whom, and what becomes of a member who goes."""

from datetime import timedelta

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.test import Client
from django.utils import timezone

from apps.audit.models import AuditEntry
from apps.base.actor import system
from apps.base.errors import Conflict, Forbidden
from apps.orgs.invitations import actions as invitation_actions
from apps.orgs.mail.jobs import send_due_mail
from apps.orgs.members import membership
from apps.orgs.models import Invitation, Membership, Organization, Role, User
from apps.webhooks.models import Event
from tests.conftest import PASSWORD
from tests.orgs.mailbox import actor_for, send

pytestmark = pytest.mark.django_db
MEMBERS = "/o/acme/settings/organization/members/"


def path_of(user, ending=""):
    return f"{MEMBERS}{user.public_id}/{ending}"


def role_of(user, slug="acme"):
    return Membership.objects.filter(user=user.pk, organization__slug=slug).values_list("role", flat=True).first()


@pytest.fixture
def as_member():
    return lambda user: actor_for(user, user.memberships.get(organization__slug="acme"))


# The list


def test_it_says_who_they_are(browser_of, ada, vera, make_key, acme, as_member):
    Authenticator.objects.create(user=ada, type=Authenticator.Type.TOTP, data={})
    Authenticator.objects.create(user=vera, type=Authenticator.Type.RECOVERY_CODES, data={})
    EmailAddress.objects.filter(user=vera).update(verified=False)
    make_key(acme, actor=as_member(ada))
    page = browser_of(ada).get(MEMBERS)
    first, second = page.context["page_obj"]
    assert (first["email"], first["two_step"], first["keys"], first["is_confirmed"]) == (ada.email, True, 1, True)
    assert (second["email"], second["two_step"], second["keys"], second["is_confirmed"]) == (
        vera.email,
        False,
        0,
        False,
    )
    assert "address not confirmed" in page.content.decode()


def test_it_is_filtered_and_paged(browser_of, ada, acme):
    people = User.objects.bulk_create(User(email=f"p{n}@acme.example", name=f"P{n:02}") for n in range(60))
    Membership.objects.bulk_create(Membership(organization=acme, user=user) for user in people)
    browser = browser_of(ada)
    assert [row["name"] for row in browser.get(f"{MEMBERS}?page=2").context["page_obj"]] == [
        f"P{n}" for n in range(49, 60)
    ]
    assert [row["email"] for row in browser.get(f"{MEMBERS}?q=P07").context["page_obj"]] == ["p7@acme.example"]
    assert len(browser.get(f"{MEMBERS}?role=owner").context["page_obj"]) == 1
    assert "No member matches these filters." in browser.get(f"{MEMBERS}?q=nobody").content.decode()


def test_who_may_change_nothing_sees_no_buttons(browser_of, vera, ada):
    page = browser_of(vera).get(MEMBERS).content.decode()
    assert path_of(ada) not in page and "invite/" not in page
    assert "Only owners and admins invite" in page


# Roles


@pytest.mark.parametrize(("who", "whom", "role", "expected"), [
    ("ada", "vera", "owner", "owner"), ("ada", "ann", "viewer", "viewer"), ("ada", "dev", "admin", "admin"),
    ("ann", "vera", "admin", "admin"), ("ann", "dev", "viewer", "viewer"), ("ann", "vera", "owner", "viewer"),
    ("ann", "ada", "viewer", "owner"), ("ann", "ann", "owner", "admin"), ("ann", "ann", "developer", "developer"),
    ("ada", "ada", "admin", "owner"), ("ada", "vera", "king", "viewer"),
])  # fmt: skip
def test_each_role_can_grant_only_certain_roles(request, browser_of, ada, ann, dev, vera, who, whom, role, expected):
    user = request.getfixturevalue(whom)
    before = role_of(user)
    send(browser_of(request.getfixturevalue(who)), path_of(user), role=role)
    assert role_of(user) == expected
    assert AuditEntry.objects.filter(action="member.role_changed").count() == (before != expected)


def test_a_change_is_recorded_once_and_the_person_is_told(browser_of, ada, vera, mailoutbox):
    browser = browser_of(ada)
    answer = send(browser, path_of(vera), role="developer")
    assert answer["Location"] == MEMBERS
    send(browser, path_of(vera), role="developer")
    entry = AuditEntry.objects.get(action="member.role_changed")
    assert (entry.target_id, entry.changes) == (vera.public_id, {"role": ["viewer", "developer"]})
    send_due_mail()
    assert [mail.to for mail in mailoutbox] == [[vera.email]]
    assert "Developer" in mailoutbox[0].subject and "/members/roles/" in mailoutbox[0].body


@pytest.mark.parametrize("whom", ["ada", "operator"])
def test_the_last_owner_and_operators_are_left_alone(browser_of, ada, ann, person, acme, whom):
    user = ada if whom == "ada" else person("Olga", acme, Role.VIEWER, is_staff=True)
    page = browser_of(ada).get(path_of(user)).content.decode()
    assert ("The last owner keeps this role." if whom == "ada" else "This is an operator") in page
    before = role_of(user)
    assert send(browser_of(ada), path_of(user), role="developer").status_code == 422
    send(browser_of(ada), path_of(user, "remove/"))
    assert role_of(user) == before and not AuditEntry.objects.filter(action__startswith="member.").exists()


def test_an_owner_steps_down_where_there_is_another(ada, ann, as_member):
    membership.change_role(actor=as_member(ada), user_id=ann.public_id, role="owner")
    membership.change_role(actor=as_member(ada), user_id=ada.public_id, role="admin")
    with pytest.raises(Conflict, match="last owner"):
        membership.change_role(actor=as_member(ann), user_id=ann.public_id, role="viewer")


def test_no_key_makes_an_owner(admin_key, acme, vera, ada):
    from apps.base.actor import Actor, ActorKind

    key = Actor(ActorKind.API_KEY, "key_1", "Key", organization_id=acme.pk, permissions=frozenset({"admin"}))
    for user, role in ((vera, "owner"), (ada, "viewer")):
        with pytest.raises(Forbidden):
            membership.change_role(actor=key, user_id=user.public_id, role=role)


def test_no_role_above_viewer_before_the_address_is_confirmed(browser_of, ada, api, acme_key):
    api(acme_key).post("/v1/users", {"name": "Vic", "email": "vic@example.com", "password": "known to another"})
    vic = User.objects.get(email="vic@example.com")
    page = browser_of(ada).get(path_of(vic)).content.decode()
    assert "A role above Viewer waits until the address is confirmed." in page
    assert send(browser_of(ada), path_of(vic), role="developer").status_code == 422
    assert role_of(vic) == "viewer"


def test_a_higher_role_ends_what_somebody_else_set(browser_of, ada, vera):
    """However the address came to be confirmed: the password that is known to another does not open the role."""
    User.objects.filter(pk=vera.pk).update(password_is_provisional=True)
    Authenticator.objects.create(user=vera, type=Authenticator.Type.TOTP, data={})
    EmailAddress.objects.create(user=vera, email="evil@example.com", verified=True)
    hers = browser_of(vera)
    send(browser_of(ada), path_of(vera), role="developer")
    assert role_of(vera) == "developer" and hers.get(MEMBERS).status_code == 302
    assert not User.objects.get(pk=vera.pk).has_usable_password() and not vera.authenticator_set.exists()
    assert not EmailAddress.objects.filter(email="evil@example.com").exists()


@pytest.mark.parametrize(("path", "values"), [
    ("{vera}", {"role": "developer"}), ("{vera}remove/", {}),
    ("invite/", {"email": "jo@example.com", "role": "viewer"}),
])  # fmt: skip
def test_changing_a_role_asks_to_confirm_the_password_and_keeps_the_choice(browser_of, ada, vera, path, values):
    browser = browser_of(ada, confirmed=False)
    path = MEMBERS + path.format(vera=f"{vera.public_id}/")
    answer = send(browser, path, **values)
    assert answer.status_code == 422 and role_of(vera) == "viewer" and not Invitation.objects.exists()
    page = answer.content.decode()
    assert 'name="confirm_password"' in page
    assert [value for value in values.values() if value not in page] == []
    assert send(browser, path, **values, confirm_password=PASSWORD).status_code == 302
    assert role_of(vera) != "viewer" or Invitation.objects.exists()


# At the next click


def test_a_lower_role_applies_at_the_next_request_in_every_session(browser_of, ada, ann, as_member):
    hers = browser_of(ann)
    assert hers.get(f"{MEMBERS}invite/").status_code == 200
    membership.change_role(actor=as_member(ada), user_id=ann.public_id, role="viewer")
    assert hers.get(f"{MEMBERS}invite/").status_code == 403
    body = {"name": "Jo", "email": "jo@example.com", "password": "password1"}
    html = {"Accept": "text/html"}
    assert hers.post("/v1/users", body, content_type="application/json", headers=html).status_code == 403
    membership.remove_member(actor=as_member(ada), user_id=ann.public_id)
    assert hers.get("/v1/users", headers=html).status_code in (401, 404)
    assert hers.get(MEMBERS).status_code == 302


# Removing and leaving


def test_removing_ends_the_membership_and_says_so(browser_of, ada, dev, rival, mailoutbox, acme):
    Membership.objects.create(organization=rival, user=dev)
    theirs = browser_of(dev)
    assert send(browser_of(ada), path_of(dev, "remove/"))["Location"] == MEMBERS
    assert role_of(dev) is None and role_of(dev, "rival") == "viewer"
    assert theirs.get(MEMBERS).status_code == 404
    entry = AuditEntry.objects.get(action="member.removed")
    assert entry.changes == {"email": [dev.email, None], "role": ["developer", None]}
    assert Event.objects.filter(type="user.deleted", organization=acme).count() == 1
    send_due_mail()
    assert [mail.to for mail in mailoutbox] == [[dev.email]]


def test_an_account_of_no_other_organization_goes_and_its_address_is_free(browser_of, ada, dev, api, acme_key):
    browser = browser_of(ada)
    assert "belongs to no other organization" in browser.get(path_of(dev, "remove/")).content.decode()
    send(browser, path_of(dev, "remove/"))
    assert not User.objects.filter(pk=dev.pk).exists()
    body = {"name": "Dev", "email": dev.email, "password": "password1"}
    assert api(acme_key).post("/v1/users", body).status_code == 201


@pytest.mark.parametrize(("who", "whom", "goes"), [
    ("ann", "ada", False), ("ann", "dev", True), ("ada", "ann", True), ("dev", "vera", False),
])  # fmt: skip
def test_each_role_can_remove_only_certain_members(request, browser_of, ada, ann, dev, vera, who, whom, goes):
    user = request.getfixturevalue(whom)
    send(browser_of(request.getfixturevalue(who)), path_of(user, "remove/"))
    assert (role_of(user) is None) == goes


def test_a_member_can_leave_unless_the_last_owner(browser_of, ada, vera, as_member):
    browser = browser_of(vera)
    assert browser.get(path_of(vera, "remove/")).status_code == 403
    assert send(browser, f"{MEMBERS}leave/").status_code == 302
    assert role_of(vera) is None and AuditEntry.objects.get(action="member.left").actor_id == vera.public_id
    page = browser_of(ada).get(f"{MEMBERS}leave/").content.decode()
    assert "Make somebody else an owner before you leave." in page and "btn-d" not in page
    with pytest.raises(Conflict):
        membership.leave_organization(actor=as_member(ada))
    assert "You are the last owner" in browser_of(ada).get(MEMBERS).content.decode()


def test_keys_stay_and_say_whose_they_were(browser_of, ada, ann, make_key, acme, as_member, api):
    key = make_key(acme, actor=as_member(ann), name="Ann's")
    page = f"/o/acme/settings/integration/api-keys/{key.row.public_id}/"
    browser = browser_of(ada)
    assert "no longer a member" not in browser.get(page).content.decode()
    membership.remove_member(actor=as_member(ada), user_id=ann.public_id)
    text = browser.get(page).content.decode()
    assert "made by Ann" in text and "no longer a member" in text
    assert api(key).get("/v1/me").status_code == 200


@pytest.mark.parametrize(("role", "left"), [(None, []), ("viewer", []), ("admin", ["admin", "viewer"])])
def test_what_they_offered_and_may_not_offer_is_withdrawn(ada, acme, person, as_member, role, left):
    boss = person("Boss", acme, Role.OWNER)
    for offered in ("owner", "admin", "viewer"):
        invitation_actions.invite(actor=as_member(boss), email=f"{offered}@example.com", role=offered)
    invitation_actions.invite(actor=as_member(ada), email="other@example.com", role="owner")
    if role is None:
        membership.remove_member(actor=as_member(ada), user_id=boss.public_id)
    else:
        membership.change_role(actor=as_member(ada), user_id=boss.public_id, role=role)
    standing = Invitation.objects.open().exclude(email="other@example.com")
    assert sorted(standing.values_list("role", flat=True)) == left
    assert Invitation.objects.open().filter(email="other@example.com").exists()
    assert AuditEntry.objects.filter(action="invitation.revoked").count() == 3 - len(left)


# Invitations on the page


def test_inviting_by_the_page(browser_of, ann, acme):
    browser = browser_of(ann)
    assert send(browser, f"{MEMBERS}invite/", email="Jo@Example.com", role="admin")["Location"] == MEMBERS
    row = Invitation.objects.get()
    assert (row.email, row.role, row.invited_by_id) == ("jo@example.com", "admin", ann.public_id)
    again = send(browser, f"{MEMBERS}invite/", email="jo@example.com", role="admin")
    assert again.status_code == 422 and "is invited already" in again.content.decode()
    assert send(browser, f"{MEMBERS}invite/", email="x@example.com", role="owner").status_code == 422
    page = browser.get(MEMBERS)
    shown = page.context["invitations"][0]
    browser.post(shown["resend"]["path"], {"token": shown["resend"]["token"]})
    assert AuditEntry.objects.filter(action="invitation.resent").count() == 1
    for _ in range(2):
        browser.post(shown["revoke"]["path"], {"token": shown["revoke"]["token"]})
    assert AuditEntry.objects.filter(action="invitation.revoked").count() == 1
    assert Invitation.objects.get().status == "revoked"


def test_an_admin_has_no_buttons_on_an_owners_invitation(browser_of, ann, acme):
    invitation_actions.invite(actor=system(acme.pk), email="jo@example.com", role="owner")
    browser = browser_of(ann)
    shown = browser.get(MEMBERS).context["invitations"][0]
    assert not shown["is_open"]
    browser.post(shown["revoke"]["path"], {"token": shown["revoke"]["token"]})
    assert Invitation.objects.get().status == "sent"


def test_a_button_without_its_token_does_nothing(browser_of, ada, acme):
    invitation_actions.invite(actor=system(acme.pk), email="jo@example.com", role="viewer")
    path = browser_of(ada).get(MEMBERS).context["invitations"][0]["revoke"]["path"]
    browser_of(ada).post(path, {"token": "x"})
    assert Invitation.objects.get().status == "sent"


# Several organizations


def test_the_last_one_used_opens_and_the_list_has_them_all(browser_of, ada, rival, client):
    Membership.objects.filter(user=ada).update(last_seen_at=timezone.now() - timedelta(days=2))
    Membership.objects.create(organization=rival, user=ada, last_seen_at=timezone.now() - timedelta(hours=1))
    closed = Organization.objects.create(name="Closed", slug="closed", status="closed")
    Membership.objects.create(organization=closed, user=ada, last_seen_at=timezone.now())
    browser = browser_of(ada)
    assert browser.get("/settings/integration/")["Location"] == "/o/rival/settings/integration/"
    browser.get("/o/acme/settings/integration/")
    assert browser.get("/settings/integration/")["Location"] == "/o/acme/settings/integration/"
    page = browser.get("/organizations/")
    assert [each.organization.slug for each in page.context["memberships"]] == ["acme", "rival"]
    assert (
        "Owner" in page.content.decode() and "Viewer" in page.content.decode() and "Closed" not in page.content.decode()
    )
    assert "/organizations/" in browser.get(MEMBERS).content.decode()
    assert client.get("/organizations/").status_code == 302


def test_who_never_opened_any_of_several_chooses(browser_of, person, acme, rival):
    user = person("New", acme)
    Membership.objects.create(organization=rival, user=user)
    assert browser_of(user).get("/settings/integration/")["Location"] == "/organizations/"


def test_somebody_of_no_organization_learns_what_to_do(person):
    browser = Client()
    browser.force_login(person("Nobody"))
    assert "Ask an owner or admin" in browser.get("/settings/integration/", follow=True).content.decode()

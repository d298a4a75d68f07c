"""Many at the same moment: exactly one right outcome, on both databases."""

from collections import Counter
from typing import Any

import pytest
from django.test import Client

from apps.api_keys.models import ApiKey
from apps.audit.models import AuditEntry
from apps.base.actor import Actor, system
from apps.base.errors import PortalError
from apps.orgs.invitations import acceptance
from apps.orgs.invitations import actions as invitation_actions
from apps.orgs.members import membership, users
from apps.orgs.models import Invitation, Membership, Role, User
from apps.webhooks.models import Event
from tests.engines import flat, in_threads
from tests.orgs.mailbox import HERE, actor_for, follow, newest_link, send

pytestmark = pytest.mark.django_db(transaction=True)
AT_ONCE = 50
MEMBERS = "/o/acme/settings/organization/members/"


def outcome(act: Any) -> str:
    try:
        act()
    except PortalError as error:
        return error.code
    return "done"


def owners() -> int:
    return Membership.objects.filter(role=Role.OWNER).count()


@pytest.fixture
def two_owners(ada, person, acme) -> list[Actor]:
    other = person("Olivia", acme, Role.OWNER)
    return [actor_for(user, user.memberships.get()) for user in (ada, other)]


# Invitations


def test_fifty_acceptances_by_one_account_are_one(acme, zed, browser_of):
    invitation_actions.invite(actor=system(acme.pk, "Ada"), email=zed.email, role="admin")
    session = follow(newest_link(zed.email), browser_of(zed)).cookies

    def accept(_number: int) -> str:
        browser = Client()
        browser.cookies = session.copy()
        answer = browser.post(HERE)
        return answer["Location"] if answer.status_code == 302 else answer.context["situation"]

    found = Counter(in_threads(AT_ONCE, accept))
    # Who comes late is told so: by the action, or by the page that finds the invitation accepted or itself forgotten.
    assert found["/o/acme/settings/integration/"] == 1 and len(found) > 1
    assert set(found) <= {"/o/acme/settings/integration/", "problem", "accepted", "member", "unknown"}
    assert Membership.objects.filter(organization=acme).count() == 1
    assert AuditEntry.objects.filter(organization=acme, action="invitation.accepted").count() == 1
    assert Event.objects.filter(organization=acme, type="user.created").count() == 1


def test_fifty_acceptances_by_somebody_new_are_one_account(acme):
    invitation_actions.invite(actor=system(acme.pk), email="jo@example.com", role="viewer")
    newest_link("jo@example.com")
    digest = Invitation.objects.get().token_digest

    def accept(number: int) -> str:
        account = acceptance.NewAccount(name=f"Jo {number}", password_hash="!")
        return outcome(lambda: acceptance.accept_invitation(actor=system(), digest=digest, account=account))

    assert Counter(in_threads(AT_ONCE, accept)) == {"done": 1, "conflict": AT_ONCE - 1}
    assert User.objects.count() == Membership.objects.count() == 1
    assert AuditEntry.objects.filter(action="invitation.accepted").count() == 1


def test_two_organizations_invite_somebody_new_at_once(acme, rival):
    digests = []
    for organization in (acme, rival):
        invitation_actions.invite(actor=system(organization.pk), email="jo@example.com", role="viewer")
        newest_link("jo@example.com")
        digests.append(Invitation.objects.get(organization=organization).token_digest)

    def accept(number: int) -> str:
        account = acceptance.NewAccount(name="Jo", password_hash="!")
        return outcome(
            lambda: acceptance.accept_invitation(actor=system(), digest=digests[number % 2], account=account)
        )

    # One makes the account; the other now has to sign in to it.
    found = Counter(in_threads(10, accept))
    assert found["done"] == 1 and set(found) <= {"done", "conflict", "forbidden"}
    assert User.objects.count() == Membership.objects.count() == 1


def test_accepting_and_withdrawing_at_once_is_one_of_both(acme):
    for round_ in range(3):
        email = f"jo{round_}@example.com"
        made = invitation_actions.invite(actor=system(acme.pk), email=email, role="viewer")
        newest_link(email)
        digest = Invitation.objects.get(pk=made.pk).token_digest
        account = acceptance.NewAccount(name="Jo", password_hash="!")

        def act(number: int, made: Any = made, digest: str = digest, account: Any = account) -> str:
            if number % 2:
                return outcome(lambda: acceptance.accept_invitation(actor=system(), digest=digest, account=account))
            return outcome(
                lambda: invitation_actions.revoke_invitation(actor=system(acme.pk), invitation_id=made.public_id)
            )

        assert Counter(in_threads(8, act))["done"] == 1
        is_member = Membership.objects.filter(user__email=email).exists()
        assert Invitation.objects.get(pk=made.pk).status == ("accepted" if is_member else "revoked")


def test_fifty_invitations_of_one_address_are_one(api, admin_key):
    body = {"email": "jo@example.com", "role": "viewer"}

    def invite(_number: int) -> list[int]:
        return [api(admin_key).post("/v1/invitations", body).status_code]

    found = Counter(flat(in_threads(AT_ONCE, invite)))
    assert found[201] == 1 and set(found) <= {201, 409, 429}
    assert Invitation.objects.count() == 1


# Owners


@pytest.mark.parametrize("how", ["remove each other", "lower each other", "leave", "all"])
def test_one_owner_always_stays(two_owners, how):
    one, other = two_owners
    ways = {
        "remove each other": [
            lambda: membership.remove_member(actor=one, user_id=other.id),
            lambda: membership.remove_member(actor=other, user_id=one.id),
        ],
        "lower each other": [
            lambda: membership.change_role(actor=one, user_id=other.id, role="viewer"),
            lambda: membership.change_role(actor=other, user_id=one.id, role="viewer"),
        ],
        "leave": [lambda: membership.leave_organization(actor=one), lambda: membership.leave_organization(actor=other)],
    }
    ways["all"] = [*ways["remove each other"], *ways["lower each other"], *ways["leave"],
                   lambda: users.delete_user(actor=one, user_id=other.id)]  # fmt: skip
    chosen = ways[how]
    found = Counter(in_threads(AT_ONCE, lambda number: outcome(chosen[number % len(chosen)])))
    assert owners() == 1
    assert found["done"] >= 1 and set(found) <= {"done", "conflict", "forbidden", "not_found"}
    # Of the one who is no owner any more: lowered first, then perhaps gone.
    ended = list(AuditEntry.objects.values_list("action", flat=True))
    assert len(ended) == 1 or (how == "all" and len(ended) == 2 and "member.role_changed" in ended)


# A change that is under way while its author is lowered


NEW_KEY = {"name": "Made", "type": "partner", "scopes": ["users:read"]}
HTML = {"Accept": "text/html"}


@pytest.mark.parametrize(("after", "status"), [("viewer", 403), ("developer", 403), ("removed", 404), ("admin", 201)])
def test_who_is_lowered_while_posting_does_not_act_any_more(ada, person, acme, browser_of, monkeypatch, after, status):
    """The view checked the old role; the action checks the current one, within its transaction."""
    from apps.api_keys import api as api_views

    boss = person("Boss", acme, Role.OWNER)
    actor, browser = actor_for(ada, ada.memberships.get()), browser_of(boss)
    validated, done = api_views.PortalView.validated, []

    def lower() -> None:
        if after == "removed":
            membership.remove_member(actor=actor, user_id=boss.public_id)
        else:
            membership.change_role(actor=actor, user_id=boss.public_id, role=after)

    def slow(view: Any, request: Any, *arguments: Any, **options: Any) -> Any:
        values = validated(view, request, *arguments, **options)
        done.append(in_threads(1, lambda _number: lower()))
        return values

    monkeypatch.setattr(api_views.PortalView, "validated", slow)
    answer = browser.post("/v1/api-keys", NEW_KEY, content_type="application/json", headers=HTML)
    assert done and answer.status_code == status
    assert ApiKey.objects.filter(name="Made").count() == (status == 201)
    assert AuditEntry.objects.filter(action="api_key.created").count() == (status == 201)


def test_who_is_lowered_while_a_form_is_sent_does_not_act_any_more(ada, ann, browser_of, monkeypatch, vera):
    from apps.orgs.members import views

    actor, browser = actor_for(ada, ada.memberships.get()), browser_of(ann)
    trying = views._apply

    def slow(*arguments: Any, **values: Any) -> bool:
        in_threads(1, lambda _number: membership.change_role(actor=actor, user_id=ann.public_id, role="viewer"))
        return trying(*arguments, **values)

    monkeypatch.setattr(views, "_apply", slow)
    assert send(browser, f"{MEMBERS}{vera.public_id}/", role="admin").status_code == 422
    assert Membership.objects.get(user=vera).role == "viewer"


def test_posting_and_lowering_at_once_come_one_after_the_other(ada, ann, acme, browser_of):
    """Whatever ran before the lowering stands before it in the log; whatever came after was refused."""
    actor = actor_for(ada, ada.memberships.get())
    hers = actor_for(ann, ann.memberships.get())

    def act(number: int) -> str:
        if number == 5:
            return outcome(lambda: membership.change_role(actor=actor, user_id=ann.public_id, role="viewer"))
        return outcome(lambda: invitation_actions.invite(actor=hers, email=f"p{number}@example.com", role="viewer"))

    found = Counter(in_threads(12, act))
    assert set(found) <= {"done", "forbidden"}
    assert not Invitation.objects.open().exists()  # what she had offered before was withdrawn
    last = AuditEntry.objects.filter(action="invitation.created").order_by("pk").last()
    lowered = AuditEntry.objects.get(action="member.role_changed")
    assert last is None or last.pk < lowered.pk


def test_a_key_that_changes_a_viewer_and_one_who_raises_them_come_one_after_the_other(ada, vera, acme, make_key, api):
    """A key without ``admin`` touches viewers only: never an admin's address, not by a moment either."""
    key, actor = make_key(acme, "users:write"), actor_for(ada, ada.memberships.get())

    def act(number: int) -> Any:
        if number:
            return outcome(lambda: membership.change_role(actor=actor, user_id=vera.public_id, role="admin"))
        return api(key).put(f"/v1/users/{vera.public_id}", {"email": "evil@example.com"}).status_code

    in_threads(2, act)
    after = Membership.objects.select_related("user").get(user=vera)
    assert (after.role, after.user.email) in {("admin", "vera@acme.example"), ("viewer", "evil@example.com")}

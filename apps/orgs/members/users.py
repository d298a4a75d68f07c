"""Users of an organization, as ``/v1/users`` creates, changes and deletes them."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from allauth.account.models import EmailAddress
from django.db import transaction
from django.utils.translation import gettext as _

from apps.base.actor import Actor
from apps.base.errors import Forbidden, Invalid
from apps.base.models import creator
from apps.base.permissions import Permission
from apps.base.rest.object_versions import ANY_VERSION, ExpectedVersion
from apps.base.text.email_validation import normalize_email
from apps.orgs.accounts.email_addresses import check_not_member, lock_addresses
from apps.orgs.accounts.provisional import enqueue_membership_offer
from apps.orgs.mail import outbox
from apps.orgs.members.audit_and_publish import publish_user_event, record
from apps.orgs.members.membership import check_can_manage, end_membership, find_membership, lock_members
from apps.orgs.models import Invitation, Membership, Role, User


@dataclass(frozen=True, slots=True)
class NewUser:
    """A user to create. The password is hashed already: hashing takes too long for a transaction."""

    name: str
    email: str
    password_hash: str = field(repr=False)


@transaction.atomic
def create_user(*, actor: Actor, new: NewUser) -> Membership:
    """Create a provisional account with the role viewer, even if the address has an account elsewhere.

    It cannot sign in until the owner of the mailbox verifies the address, which removes the password: someone else
    chose it (account pre-hijacking).
    """
    actor.require(Permission.USERS_WRITE)
    organization_id, email = cast(uuid.UUID, actor.organization_id), normalize_email(new.email)
    lock_addresses([email])
    check_not_member(organization_id, email)
    user = User(email=email, name=new.name, password=new.password_hash, password_is_provisional=True)
    user.save(force_insert=True)
    EmailAddress.objects.create(user=user, email=email, primary=True, verified=False)
    membership = Membership.objects.create(
        organization_id=organization_id, user=user, role=Role.VIEWER, **creator(actor)
    )
    enqueue_membership_offer(user)
    changes = {"name": [None, new.name], "email": [None, email], "role": [None, str(Role.VIEWER)]}
    _record_and_publish(actor, membership, "user.created", changes)
    return membership


@transaction.atomic
def create_users(*, actor: Actor, users: Sequence[NewUser]) -> list[Membership | Invalid]:
    """Create the users in one transaction; return a membership or a refusal for each."""
    actor.require(Permission.USERS_WRITE)
    lock_addresses([new.email for new in users])
    return [_member_or_refusal(actor, new) for new in users]


def _member_or_refusal(actor: Actor, new: NewUser) -> Membership | Invalid:
    try:
        return create_user(actor=actor, new=new)
    except Invalid as refusal:
        return refusal


@transaction.atomic
def update_user(
    *,
    actor: Actor,
    user_id: str,
    expected: ExpectedVersion = ANY_VERSION,
    name: str | None = None,
    email: str | None = None,
) -> Membership:
    """Change a user's name or address.

    A changed address is unconfirmed; it ends every session and mailed link of the account. The old address gets a mail
    if its owner had confirmed it. Raises Forbidden for an account that belongs to several organizations.
    """
    membership, user = _lock_user(actor, user_id, email)
    if Membership.objects.filter(user=user).exclude(pk=membership.pk).exists():
        raise Forbidden(_("This account belongs to several organizations; only its owner may change it."))
    email = user.email if email is None else normalize_email(email)
    if email == normalize_email(user.email):
        email = user.email
    if email != user.email:
        check_not_member(membership.organization_id, email, exclude=membership)
    expected.check(membership.version)
    changes: dict[str, list[Any]] = {}
    if name is not None and name != user.name:
        changes["name"] = [user.name, name]
        user.name = name
    if email != user.email:
        changes["email"] = [user.email, email]
        _change_address(membership, email)
    if changes:
        changed = ["name", "email", "password_is_provisional", "signs_in_unverified", "session_epoch", "address_epoch"]
        user.save(update_fields=[*changed, "updated_at"])
        _record_and_publish(actor, membership, "user.updated", changes)
    return membership


def _lock_user(actor: Actor, user_id: str, email: str | None = None) -> tuple[Membership, User]:
    """Return a member whom the actor can manage, and the account, both locked.

    ``email``: the new address of the account, locked before any row.
    """
    lock_members(actor.organization_id)
    if email:
        lock_addresses([email])
    actor = actor.with_current_permissions()
    actor.require(Permission.USERS_WRITE)
    membership = find_membership(actor, user_id, lock=True)
    check_can_manage(actor, membership)
    # Read separately: after waiting for a row lock, PostgreSQL joins it with rows from before the wait.
    membership.user = User.objects.select_for_update(no_key=True).get(pk=membership.user_id)
    return membership, membership.user


def _change_address(membership: Membership, email: str) -> None:
    user = membership.user
    if not user.must_verify_address:
        outbox.enqueue(
            to=user.email,
            template="address_changed",
            context={"name": user.name, "new_address": email},
            language=user.language,
        )
    Invitation.objects.filter(membership=membership).delete()
    EmailAddress.objects.filter(user=user).delete()
    EmailAddress.objects.create(user=user, email=email, primary=True, verified=False)
    user.email = email
    user.password_is_provisional, user.signs_in_unverified = True, False
    user.session_epoch += 1
    user.address_epoch += 1
    enqueue_membership_offer(user)


@transaction.atomic
def delete_user(*, actor: Actor, user_id: str, expected: ExpectedVersion = ANY_VERSION) -> None:
    """Remove a user from the organization; an account without another organization is deleted."""
    membership, _user = _lock_user(actor, user_id)
    expected.check(membership.version)
    end_membership(actor, membership, "user.deleted")


def _record_and_publish(actor: Actor, membership: Membership, action: str, changes: dict[str, list[Any]]) -> None:
    """Record a change and publish the event of the same name."""
    record(actor, membership, action, changes)
    publish_user_event(membership, action)

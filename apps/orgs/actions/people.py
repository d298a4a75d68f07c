"""The accounts of an organization's people."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from allauth.account.models import EmailAddress
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from apps.base.actor import Actor
from apps.base.errors import Forbidden, Invalid
from apps.base.mail_addresses import canonical_address
from apps.base.models import creator
from apps.base.permissions import Permission
from apps.base.versions import ANYTHING, Expected
from apps.orgs import mail
from apps.orgs.actions.addresses import TAKEN, hold_addresses, refuse_taken
from apps.orgs.actions.membership import check_may_touch, end_membership, find_membership, hold_members
from apps.orgs.actions.telling import announce, record
from apps.orgs.models import Membership, Role, User


@dataclass(frozen=True, slots=True)
class NewUser:
    """What makes an account. The password comes hashed: that takes tens of milliseconds, too long for a transaction."""

    name: str
    email: str
    password_hash: str = field(repr=False)


def create_user(*, actor: Actor, new: NewUser) -> User:
    """This will make an account that is a viewer here, with an unconfirmed address.

    The password works until somebody confirms the address: whoever owns the mailbox must not find a stranger's
    password on the account (pre-hijacking).
    """
    try:
        with transaction.atomic():
            actor.require(Permission.USERS_WRITE)
            refuse_taken(new.email)
            user = User(
                email=canonical_address(new.email),
                name=new.name,
                password=new.password_hash,
                password_is_provisional=True,
            )
            user.save(force_insert=True)
            EmailAddress.objects.create(user=user, email=user.email, primary=True, verified=False)
            organization_id = cast(uuid.UUID, actor.organization_id)
            Membership.objects.create(organization_id=organization_id, user=user, role=Role.VIEWER, **creator(actor))
            changes = {"name": [None, new.name], "email": [None, user.email], "role": [None, str(Role.VIEWER)]}
            _tell(actor, organization_id, user, "user.created", changes)
    except IntegrityError:
        raise Invalid.field("email", TAKEN) from None
    return user


@transaction.atomic
def create_users(*, actor: Actor, users: Sequence[NewUser]) -> list[User | Invalid]:
    """This will make each account that can be made, in one transaction, and return a user or a refusal for each."""
    actor.require(Permission.USERS_WRITE)
    hold_addresses([new.email for new in users])
    return [_user_or_refusal(actor, new) for new in users]


def _user_or_refusal(actor: Actor, new: NewUser) -> User | Invalid:
    try:
        return create_user(actor=actor, new=new)
    except Invalid as refusal:
        return refusal


@transaction.atomic
def update_user(
    *, actor: Actor, user_id: str, expected: Expected = ANYTHING, name: str | None = None, email: str | None = None
) -> User:
    """This will change a user's name or address.

    A changed address is unconfirmed, the old one is told, and every session of the account ends.
    """
    membership, user = _held(actor, user_id)
    if Membership.objects.filter(user=user).exclude(pk=membership.pk).exists():
        raise Forbidden(_("This account belongs to several organizations; only its owner may change it."))
    email = user.email if email is None else canonical_address(email)
    if email == canonical_address(user.email):
        email = user.email
    if email != user.email:
        refuse_taken(email, but=user)
    expected.check(user.version)
    changes: dict[str, list[Any]] = {}
    if name is not None and name != user.name:
        changes["name"] = [user.name, name]
        user.name = name
    if email != user.email:
        changes["email"] = [user.email, email]
        _change_address(user, email)
    if changes:
        user.save(update_fields=["name", "email", "password_is_provisional", "session_epoch", "updated_at"])
        _tell(actor, membership.organization_id, user, "user.updated", changes)
    return user


def _held(actor: Actor, user_id: str) -> tuple[Membership, User]:
    """Return a member whom the actor may touch, and the account, both held: its owner may be changing it as well."""
    hold_members(actor.organization_id)
    actor = actor.as_of_now()
    actor.require(Permission.USERS_WRITE)
    membership = find_membership(actor, user_id, hold=True)
    check_may_touch(actor, membership)
    # Read by itself: beside a row that was waited for, PostgreSQL joins what was there before the wait.
    membership.user = User.objects.select_for_update(no_key=True).get(pk=membership.user_id)
    return membership, membership.user


def _change_address(user: User, email: str) -> None:
    mail.enqueue(
        to=user.email,
        template="address_changed",
        context={"name": user.name, "new_address": email},
        language=user.language,
    )
    EmailAddress.objects.filter(user=user).delete()
    EmailAddress.objects.create(user=user, email=email, primary=True, verified=False)
    user.email = email
    user.password_is_provisional = True
    user.session_epoch += 1


@transaction.atomic
def delete_user(*, actor: Actor, user_id: str, expected: Expected = ANYTHING) -> None:
    """This will remove a user from the organization; an account of no other one is erased, its address free."""
    membership, user = _held(actor, user_id)
    expected.check(user.version)
    end_membership(actor, membership, "user.deleted")


def _tell(actor: Actor, organization_id: uuid.UUID, user: User, action: str, changes: dict[str, list[Any]]) -> None:
    """Record a change and publish it: both have the same name."""
    record(actor, user, action, changes)
    announce(organization_id, user, action)

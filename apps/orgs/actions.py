"""What is done to people and organizations. Page, API, command and admin all come here."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.db import IntegrityError, connection, transaction
from django.utils.translation import gettext as _

from apps.audit import actions as audit
from apps.base.actor import Actor, ActorKind
from apps.base.errors import Conflict, Forbidden, Invalid, NotFound
from apps.base.identifiers import decode
from apps.base.permissions import ADMIN, Permission
from apps.orgs import mail
from apps.orgs.models import PLATFORM_SLUG, Membership, Organization, Role, User
from apps.webhooks import publishing

TAKEN = "Email address is already in use."


def find_membership(actor: Actor, user_id: str) -> Membership:
    """This will return a user's membership of the actor's organization, or raise NotFound."""
    key = decode(User.id_prefix, user_id)
    rows = Membership.objects.for_actor(actor).select_related("user", "organization")
    found = rows.filter(user_id=key).first() if key is not None else None
    if found is None:
        raise NotFound()
    return found


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
    actor.require(Permission.USERS_WRITE)
    try:
        with transaction.atomic():
            refuse_taken(new.email)
            user = User(
                email=new.email.lower(), name=new.name, password=new.password_hash, password_is_provisional=True
            )
            user.save(force_insert=True)
            EmailAddress.objects.create(user=user, email=user.email, primary=True, verified=False)
            organization_id = cast(uuid.UUID, actor.organization_id)
            Membership.objects.create(organization_id=organization_id, user=user, role=Role.VIEWER)
            changes = {"name": [None, new.name], "email": [None, user.email], "role": [None, str(Role.VIEWER)]}
            _tell(actor, user, "user.created", changes)
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


def hold_addresses(emails: Sequence[str]) -> None:
    """This will have other batches with the same addresses wait, one order for all: else two could wait for each other.

    On SQLite the transaction itself is exclusive, for it begins IMMEDIATE.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_advisory_xact_lock(lock) FROM (SELECT DISTINCT hashtextextended(address, 0) AS lock "
                "FROM unnest(%s::text[]) AS address ORDER BY lock) AS locks",
                [[email.lower() for email in emails]],
            )


@transaction.atomic
def update_user(*, actor: Actor, user_id: str, name: str | None = None, email: str | None = None) -> User:
    """This will change a user's name or address.

    A changed address is unconfirmed, the old one is told, and every session of the account ends.
    """
    actor.require(Permission.USERS_WRITE)
    membership = find_membership(actor, user_id)
    check_may_touch(actor, membership)
    user = membership.user
    if Membership.objects.filter(user=user).exclude(pk=membership.pk).exists():
        raise Forbidden(_("This account belongs to several organizations; only its owner may change it."))
    changes: dict[str, list[Any]] = {}
    if name is not None and name != user.name:
        changes["name"] = [user.name, name]
        user.name = name
    if email is not None and email.lower() != user.email:
        refuse_taken(email, but=user)
        changes["email"] = [user.email, email.lower()]
        _change_address(user, email.lower())
    if changes:
        user.save(update_fields=["name", "email", "password_is_provisional", "session_epoch", "updated_at"])
        _tell(actor, user, "user.updated", changes)
    return user


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
def delete_user(*, actor: Actor, user_id: str) -> None:
    """This will remove a user from the organization; an account of no other one is erased, its address free."""
    actor.require(Permission.USERS_WRITE)
    membership = find_membership(actor, user_id)
    check_may_touch(actor, membership)
    lock_owners(membership.organization_id)
    owners = Membership.objects.filter(organization_id=membership.organization_id).owners()
    if membership.role == Role.OWNER and not owners.exclude(pk=membership.pk).exists():
        raise Conflict(_("The last owner cannot be removed."))
    user = membership.user
    _tell(actor, user, "user.deleted", {"email": [user.email, None], "role": [membership.role, None]})
    membership.delete()
    if not Membership.objects.filter(user=user).exists():
        user.delete()


def check_may_touch(actor: Actor, membership: Membership) -> None:
    """This will raise Forbidden where the actor may not change or remove this member.

    Nobody touches an operator's account here. An owner only an owner's session, never a key. Keys without
    ``admin`` touch viewers alone.
    """
    if membership.user.is_staff:
        raise Forbidden(_("This is an operator's account."))
    if membership.role == Role.OWNER and not actor.can(Permission.ORGANIZATION_OWN):
        raise Forbidden(_("Only an owner, signed in, may change or remove an owner."))
    if membership.role == Role.OWNER and actor.kind == ActorKind.API_KEY:
        raise Forbidden(_("No key may change or remove an owner."))
    is_limited_key = actor.kind == ActorKind.API_KEY and ADMIN not in actor.permissions
    if is_limited_key and membership.role != Role.VIEWER:
        raise Forbidden(_("This key may change or remove viewers only; that takes the scope admin."))


def refuse_taken(email: str, but: User | None = None) -> None:
    """This will raise Invalid where the address belongs to an account, as its main or a further address."""
    accounts = User.objects.filter(email=email.lower())
    further = EmailAddress.objects.filter(email=email.lower())
    if but is not None:
        accounts, further = accounts.exclude(pk=but.pk), further.exclude(user=but)
    if accounts.exists() or further.exists():
        raise Invalid.field("email", TAKEN)


def lock_owners(organization_id: uuid.UUID) -> None:
    """This will hold the organization's row, so that two owners cannot remove each other at once."""
    if connection.vendor == "postgresql":
        list(Organization.objects.select_for_update(no_key=True).filter(pk=organization_id).values("pk"))


def end_provisional_access(user: User, *, keep_password: bool) -> None:
    """This will end everything that was set before the owner of the mailbox came, if anything was.

    Called when an address is confirmed (``keep_password=False``: the password that somebody else may know dies) and
    when the password is reset by mail (the new one stays). Sessions, passkeys, TOTP, recovery codes and further
    addresses end.
    """
    with transaction.atomic():
        locked = User.objects.select_for_update().get(pk=user.pk)
        if not locked.password_is_provisional:
            return
        Authenticator.objects.filter(user=locked).delete()
        EmailAddress.objects.filter(user=locked).exclude(email=locked.email).delete()
        locked.password_is_provisional = False
        locked.session_epoch += 1
        if not keep_password:
            locked.set_unusable_password()
        locked.save(update_fields=["password", "password_is_provisional", "session_epoch", "updated_at"])
    user.refresh_from_db()


@transaction.atomic
def create_organization(*, actor: Actor, name: str, slug: str, owner_email: str) -> tuple[Organization, User]:
    """This will make an organization and its owner; the owner's account is made if there is none yet.

    What somebody else set on an account that was made through the API ends: the password must not open this one.
    """
    if slug == PLATFORM_SLUG:
        raise Invalid.field("slug", _("The slug platform is reserved."))
    organization = Organization(name=name, slug=slug)
    organization.full_clean()
    organization.save(force_insert=True)
    email = owner_email.lower()
    owner = User.objects.filter(email=email).first() or _invite_owner(email)
    end_provisional_access(owner, keep_password=False)
    Membership.objects.create(organization=organization, user=owner, role=Role.OWNER)
    audit.record(
        actor=actor,
        action="organization.created",
        target_kind="organization",
        target_id=organization.public_id,
        target_label=organization.name,
        changes={"slug": [None, slug], "owner": [None, email]},
        organization_id=organization.pk,
    )
    return organization, owner


def _invite_owner(email: str) -> User:
    user = User(email=email, name=email.partition("@")[0])
    user.set_unusable_password()
    user.full_clean(exclude=["password"])
    user.save(force_insert=True)
    EmailAddress.objects.create(user=user, email=email, primary=True, verified=False)
    return user


def _tell(actor: Actor, user: User, action: str, changes: dict[str, list[Any]]) -> None:
    audit.record(
        actor=actor,
        action=action,
        target_kind="user",
        target_id=user.public_id,
        target_label=user.email,
        changes=changes,
    )
    publishing.publish(
        organization_id=cast(uuid.UUID, actor.organization_id),
        event_type=action,
        data={"id": user.public_id, "name": user.name, "email": user.email},
    )


@transaction.atomic
def create_operator(*, actor: Actor, email: str) -> User:
    """This will make an operator of the vendor, who sees every organization in the Django admin."""
    refuse_taken(email)
    user = User(email=email.lower(), name=email.partition("@")[0], is_staff=True, is_superuser=True)
    user.set_unusable_password()
    user.full_clean(exclude=["password"])
    user.save(force_insert=True)
    EmailAddress.objects.create(user=user, email=user.email, primary=True, verified=False)
    platform = Organization.objects.get(slug=PLATFORM_SLUG)
    audit.record(
        actor=actor,
        action="operator.created",
        target_kind="user",
        target_id=user.public_id,
        target_label=user.email,
        organization_id=platform.pk,
    )
    return user

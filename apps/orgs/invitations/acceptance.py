"""Acceptance of an invitation, exactly once, by the owner of its address."""

from dataclasses import dataclass, field, replace
from typing import Any

from allauth.account.models import EmailAddress
from django.db import connection, transaction
from django.utils.translation import gettext as _

from apps.audit import actions as audit
from apps.base.actor import Actor
from apps.base.errors import Conflict, Forbidden, Invalid, NotFound
from apps.base.text.email_validation import email_spellings
from apps.orgs.accounts.email_addresses import account_of_address, has_confirmed_address, lock_addresses
from apps.orgs.accounts.provisional import end_provisional_access, offer_reserved_memberships
from apps.orgs.invitations.actions import check_active
from apps.orgs.invitations.reserved_memberships import join_organization, reserved_membership
from apps.orgs.invitations.revocation import close
from apps.orgs.members.membership import lock_members
from apps.orgs.models import Invitation, InvitationStatus, Membership, OrganizationStatus, User


@dataclass(frozen=True, slots=True)
class NewAccount:
    """Name and hashed password that a user without an account chose."""

    name: str
    password_hash: str = field(repr=False)


def find_invitation(digest: str) -> Invitation | None:
    """Return the invitation of a link in any state, or None; invitations to closed organizations are excluded."""
    rows = Invitation.objects.select_related("organization").exclude(organization__status=OrganizationStatus.CLOSED)
    return rows.filter(token_digest=digest).first() if digest else None


def account_for(invitation: Invitation) -> User | None:
    """Return the account that owns the invitation's address, else the provisional account that will own it.

    That is the provisional account of this organization, or another one that is in use. Other organizations' unused
    ones do not count: accepting must not add the user to those organizations, nor be visible in them.
    """
    found = account_of_address(invitation.email)
    if found is not None:
        return found
    reserved = reserved_membership(invitation)
    in_use = User.objects.provisional_accounts(invitation.email).filter(signs_in_unverified=True)
    return in_use.first() if reserved is None else reserved.user


def needs_password(account: User | None, email: str) -> bool:
    """Return whether accepting requires a new password: there is no account, or its address is unconfirmed.

    The link proves as much as that of a password reset, so it can set the password of the account with this primary
    address; operators' and inactive accounts are excluded.
    """
    if account is None:
        return True
    is_own = account.email in email_spellings(email) and account.is_active and not account.is_staff
    return is_own and not has_confirmed_address(account)


@transaction.atomic
def accept_invitation(*, actor: Actor, digest: str, account: NewAccount | None = None) -> Membership:
    """Make the owner of the invitation's address a member, once, with one audit entry.

    ``actor``: the signed-in user, or without ``pk`` the visitor who opened the link. ``account``: name and password,
    required if ``needs_password``; the link then confirms the address and ends provisional access to an existing
    account. Raises NotFound for an unknown link, Conflict for a used one or a member, Forbidden for another account,
    an operator or a suspended organization.
    """
    invitation = find_invitation(digest)
    if invitation is None:
        raise NotFound()
    lock_members(invitation.organization_id)
    lock_addresses([invitation.email])
    invitation = _reload_open(digest)
    reserved = reserved_membership(invitation)
    user = _joining_user(actor, invitation, account)
    close(invitation, InvitationStatus.ACCEPTED)
    membership = join_organization(invitation, user, reserved)
    actor = replace(actor, id=membership.user_public_id, label=user.name or user.email, pk=user.pk)
    changes: dict[str, list[Any]] = {"user": [None, membership.user_public_id], "role": [None, membership.role]}
    audit.record_change(actor, "invitation.accepted", invitation, changes)
    return membership


def _reload_open(digest: str) -> Invitation:
    """Return the invitation, read again under the lock, or raise Conflict if it is not open."""
    invitation = find_invitation(digest)
    if invitation is None:
        raise NotFound()
    check_active(invitation.organization)
    if invitation.state == InvitationStatus.ACCEPTED:
        raise Conflict(_("This invitation was accepted already."))
    if invitation.state != InvitationStatus.SENT:
        raise Conflict(_("This invitation has expired or was withdrawn. Ask for a new one."))
    return invitation


def _joining_user(actor: Actor, invitation: Invitation, account: NewAccount | None) -> User:
    """Return the account that becomes a member; it is created if missing, and activated if it is unconfirmed."""
    owner = account_for(invitation)
    if owner is not None and connection.vendor == "postgresql":
        owner = User.objects.select_for_update().get(pk=owner.pk)
    if needs_password(owner, invitation.email):
        if account is None:
            raise Invalid(_("Choose a name and a password first."))
        return _create_account(invitation.email, account) if owner is None else _activate_account(owner, account)
    if owner is None or owner.pk != actor.pk:
        raise Forbidden(_("This invitation is for %(email)s. Sign in to that account.") % {"email": invitation.email})
    if owner.is_staff:
        raise Forbidden(_("This is an operator's account. It cannot join an organization."))
    if not has_confirmed_address(owner):
        raise Forbidden(_("Confirm %(email)s first, the address of your account.") % {"email": owner.email})
    end_provisional_access(owner, keep_password=False)
    return owner


def _create_account(email: str, account: NewAccount) -> User:
    # Another account can have added the address as a secondary one without ever confirming it.
    EmailAddress.objects.filter(email__in=email_spellings(email), verified=False, primary=False).delete()
    user = User(email=email, name=account.name, password=account.password_hash)
    user.save(force_insert=True)
    EmailAddress.objects.create(user=user, email=email, primary=True, verified=True)
    offer_reserved_memberships(user)
    return user


def _activate_account(user: User, account: NewAccount) -> User:
    end_provisional_access(user, keep_password=False)
    user.name, user.password = account.name, account.password_hash
    user.session_epoch += 1
    user.save(update_fields=["name", "password", "session_epoch", "updated_at"])
    EmailAddress.objects.filter(user=user).exclude(email=user.email).update(primary=False)
    EmailAddress.objects.update_or_create(user=user, email=user.email, defaults={"verified": True, "primary": True})
    return user

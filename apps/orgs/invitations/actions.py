"""Sending, resending and revoking invitations; ``acceptance.py`` accepts them."""

from datetime import timedelta
from typing import cast
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.audit import actions as audit
from apps.base.actor import Actor
from apps.base.errors import Conflict, Forbidden
from apps.base.permissions import Permission
from apps.base.text.email_validation import email_spellings, normalize_email
from apps.base.timestamps import format_timestamp
from apps.orgs.invitations.revocation import close, revoke
from apps.orgs.mail import outbox
from apps.orgs.members.membership import check_can_assign, lock_members
from apps.orgs.models import (
    INVITATION_DAYS,
    Invitation,
    InvitationStatus,
    Membership,
    Organization,
    OrganizationStatus,
    OutgoingMail,
)

LIFETIME = timedelta(days=INVITATION_DAYS)


@transaction.atomic
def invite(*, actor: Actor, email: str, role: str) -> Invitation:
    """Invite the owner of an address, with a role, for seven days.

    Reveals nothing about accounts elsewhere. Raises Forbidden if the actor cannot assign the role or the organization
    is suspended, and Conflict if the address is a member's or has an open invitation.
    """
    lock_members(actor.organization_id)
    actor = actor.with_current_permissions()
    actor.require(Permission.USERS_WRITE)
    check_can_assign(actor, role)
    organization = Organization.objects.get(pk=cast(UUID, actor.organization_id))
    check_active(organization)
    email = normalize_email(email)
    _check_new(organization, email)
    invitation = Invitation(
        organization=organization,
        email=email,
        role=role,
        expires_at=timezone.now() + LIFETIME,
        invited_by_kind=actor.kind,
        invited_by_id=actor.id,
        invited_by_label=actor.label[:200],
    )
    invitation.save(force_insert=True)
    _enqueue_mail(invitation)
    audit.record_change(actor, "invitation.created", invitation, {"role": [None, role]})
    return invitation


def check_active(organization: Organization) -> None:
    """Raise Forbidden for a suspended organization, which no one can join."""
    if organization.status != OrganizationStatus.ACTIVE:
        message = _("%(name)s is suspended. Nobody can join it until its provider lifts that.")
        raise Forbidden(message % {"name": organization.name}, "organization_suspended")


def _check_new(organization: Organization, email: str) -> None:
    """Raise Conflict for members and open invitations; close an expired one, which the new one replaces."""
    if Membership.objects.filter(organization=organization).with_address(email).exists():
        raise Conflict(_("%(email)s is a member already.") % {"email": email})
    existing = (
        Invitation.objects.visible().open().filter(organization=organization, email__in=email_spellings(email)).first()
    )
    if existing is None:
        return
    if existing.expires_at > timezone.now():
        raise Conflict(
            _("%(email)s is invited already. Send that invitation again, or withdraw it.") % {"email": email}
        )
    close(existing, InvitationStatus.EXPIRED)


@transaction.atomic
def resend_invitation(*, actor: Actor, invitation_id: str) -> Invitation:
    """Send a new link, valid for seven days; the old link stops working."""
    lock_members(actor.organization_id)
    actor = actor.with_current_permissions()
    invitation = _find_open(actor, invitation_id)
    check_active(invitation.organization)
    before = invitation.expires_at
    invitation.token_digest = ""
    invitation.expires_at = timezone.now() + LIFETIME
    invitation.save(update_fields=["token_digest", "expires_at"])
    OutgoingMail.objects.unsent_for("invitation", invitation.pk).delete()
    _enqueue_mail(invitation)
    audit.record_change(
        actor,
        "invitation.resent",
        invitation,
        {"expires_at": [format_timestamp(before), format_timestamp(invitation.expires_at)]},
    )
    return invitation


@transaction.atomic
def revoke_invitation(*, actor: Actor, invitation_id: str) -> None:
    """Revoke an invitation; its link stops working. Raise NotFound for a revoked one, Conflict for an accepted one."""
    lock_members(actor.organization_id)
    actor = actor.with_current_permissions()
    invitation = _find_open(actor, invitation_id)
    revoke(actor, invitation)


def _find_open(actor: Actor, invitation_id: str) -> Invitation:
    """Lock and return an open invitation that the actor can manage."""
    actor.require(Permission.USERS_WRITE)
    rows = Invitation.objects.for_actor(actor).visible().select_related("organization")
    if connection.vendor == "postgresql":
        rows = rows.select_for_update(of=("self",))
    invitation: Invitation = rows.exclude(
        status__in=[InvitationStatus.REVOKED, InvitationStatus.EXPIRED]
    ).with_public_id(invitation_id)
    check_can_assign(actor, invitation.role)
    if invitation.status == InvitationStatus.ACCEPTED:
        message = _("%(email)s has accepted this invitation. To end the access, remove the member.")
        raise Conflict(message % {"email": invitation.email})
    return invitation


def _enqueue_mail(invitation: Invitation) -> None:
    outbox.enqueue_link(to=invitation.email, template="invitation", regarding=str(invitation.pk))

"""Closing an organization, by an owner; and reopening it, by an operator, until its data are purged."""

import uuid
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.audit import actions as audit
from apps.base.actor import Actor, ActorKind
from apps.base.errors import Conflict, Forbidden, Invalid
from apps.base.permissions import Permission
from apps.credentials.lifecycle import transitions
from apps.notices import actions as notices
from apps.orgs.lifecycle.organization_rows import check_not_platform, lock_organization, require_operator_or_system
from apps.orgs.lifecycle.suspension import set_status
from apps.orgs.mail import outbox
from apps.orgs.models import Invitation, InvitationStatus, Membership, Organization, OrganizationStatus, Role
from apps.webhooks import actions as webhooks

REASON = "The organization was closed"
MAILED_ROLES = (Role.OWNER, Role.ADMIN)


@transaction.atomic
def close_organization(*, actor: Actor, name: str) -> Organization:
    """Close the organization at once: revoke keys, disable endpoints, drop pending deliveries, refuse members.

    For an owner who is signed in. ``name``: the organization's name, typed to confirm. Its rows stay for
    ``RETENTION_DAYS_CLOSED_ORGANIZATION`` days, during which an operator can reopen it.
    """
    actor.require(Permission.ORGANIZATION_OWN)
    if actor.kind != ActorKind.USER:
        raise Forbidden(_("Only an owner, signed in, closes an organization."))
    organization = lock_organization(actor.organization_id)
    check_not_platform(organization)
    if organization.status == OrganizationStatus.CLOSED:
        raise Conflict(_("This organization is already closed."))
    if organization.status == OrganizationStatus.SUSPENDED:
        raise Conflict(_("This organization is suspended, so it can't be closed. Contact the vendor's team."))
    if name.split() != organization.name.split():
        raise Invalid.field("confirm_name", _("That is not the name of this organization."))
    now = timezone.now()
    until = now + timedelta(days=settings.RETENTION_DAYS_CLOSED_ORGANIZATION)
    set_status(organization, OrganizationStatus.CLOSED, REASON, closed_at=now, kept_until=until)
    counts = revoke_access(actor, organization)
    changes: dict[str, list[Any]] = {
        "status": ["active", "closed"],
        "kept_until": [None, f"{until:%Y-%m-%dT%H:%M:%SZ}"],
        **counts,
    }
    audit.record_change(actor, "organization.closed", organization, changes)
    _mail_owners_and_admins(organization, "organization_closed", {"who": actor.label, "until": until})
    return organization


@transaction.atomic
def reopen_organization(*, actor: Actor, organization_id: uuid.UUID) -> Organization:
    """Reopen a closed organization for its members; keys stay revoked and endpoints disabled.

    Raises Conflict once its retention is over.
    """
    require_operator_or_system(actor)
    organization = lock_organization(organization_id)
    if organization.status != OrganizationStatus.CLOSED:
        return organization
    if organization.purged_at is not None or (organization.kept_until or timezone.now()) <= timezone.now():
        raise Conflict(_("Its data are removed, or are being removed. It cannot be opened again."))
    # Again, for what was created concurrently with the closing.
    counts = revoke_access(actor, organization)
    set_status(organization, OrganizationStatus.ACTIVE, "", closed_at=None, kept_until=None)
    audit.record_change(actor, "organization.reopened", organization, {"status": ["closed", "active"], **counts})
    _mail_owners_and_admins(organization, "organization_reopened", {})
    return organization


def revoke_access(actor: Actor, organization: Organization) -> dict[str, list[Any]]:
    """Revoke every active key and invitation, disable every endpoint and resolve every notification.

    Returns the counts for the audit entry.
    """
    keys = transitions.revoke_all(organization_id=organization.pk, actor=actor, reason=REASON)
    notices.resolve(organization_id=organization.pk, dedupe_prefix="")
    endpoints, dropped = webhooks.stop_for_organization(organization_id=organization.pk)
    invitations = Invitation.objects.visible().open().filter(organization=organization)
    revoked = invitations.update(status=InvitationStatus.REVOKED, closed_at=timezone.now(), token_digest="")
    counts = {f"{kind}s_revoked": count for kind, count in keys.items()}
    counts |= {"endpoints_disabled": endpoints, "deliveries_dropped": dropped, "invitations_revoked": revoked}
    return {name: [None, count] for name, count in counts.items()}


def _mail_owners_and_admins(organization: Organization, template: str, context: dict[str, Any]) -> None:
    members = Membership.objects.filter(organization=organization, role__in=MAILED_ROLES, user__is_active=True)
    for member in members.select_related("user"):
        mail_context = {
            "organization": organization.name,
            "slug": organization.slug,
            "name": member.user.name,
            **context,
        }
        outbox.enqueue(to=member.user.email, template=template, context=mail_context, language=member.user.language)

"""Actions that start and end support access; both are recorded in the customer's audit log."""

import uuid

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.audit import actions as audit
from apps.base.actor import Actor, ActorKind, system
from apps.base.errors import Conflict, Forbidden, Invalid, NotFound
from apps.orgs.models import Membership, OperatorLook, Organization, OrganizationStatus
from apps.orgs.support_access import support_session

MAX_REASON_LENGTH = 200
BATCH = 100


def start_support_access(*, actor: Actor, organization: Organization, reason: str, session_key: str) -> OperatorLook:
    """Let an operator read the organization's pages for 30 minutes, from one session.

    Raises Forbidden for other actors, NotFound for the platform and closed organizations, Invalid without a reason,
    Conflict if the operator is a member.
    """
    operator_id = _require_operator(actor)
    if organization.is_platform or organization.status == OrganizationStatus.CLOSED:
        raise NotFound(_("This organization has no pages to look at."))
    text = " ".join(reason.split())
    if not 1 <= len(text) <= MAX_REASON_LENGTH:
        raise Invalid.field("reason", _("Say why, in 200 letters at most: the organization can read it."))
    if Membership.objects.filter(organization=organization, user_id=operator_id).exists():
        raise Conflict(_("You are a member of this organization: open its pages as one."))
    try:
        with transaction.atomic():
            for earlier in OperatorLook.objects.filter(
                operator_id=operator_id, organization=organization, ended_at=None
            ):
                end_support_access(actor=actor, access=earlier)
            return _start(actor, operator_id, organization, text, session_key)
    except IntegrityError:
        raise Conflict(_("You began to look at it a moment ago. Open its pages, or begin again.")) from None


def _start(
    actor: Actor, operator_id: uuid.UUID, organization: Organization, reason: str, session_key: str
) -> OperatorLook:
    until = timezone.now() + support_session.SUPPORT_ACCESS_DURATION
    access = OperatorLook.objects.create(
        organization=organization,
        operator_id=operator_id,
        reason=reason,
        session_digest=support_session.digest_of(session_key),
        until=until,
    )
    audit.record_change(actor, "operator.look_began", organization, {"reason": [None, reason], "until": [None, until]})
    return access


@transaction.atomic
def end_support_access(*, actor: Actor, access: OperatorLook) -> bool:
    """End the access and record the number of pages; return False if it had ended already."""
    if actor.kind != ActorKind.SYSTEM:
        _require_operator(actor)
    updated = OperatorLook.objects.filter(pk=access.pk, ended_at=None).update(ended_at=timezone.now())
    if updated:
        access.refresh_from_db()
        audit.record_change(actor, "operator.look_ended", access.organization, {"pages": [None, access.pages]})
    return bool(updated)


# The periodic job orgs.end_support_access (apps.py).
def end_expired_support_access() -> int:
    """End expired support access, with the operator as the actor's label; return how many."""
    rows = OperatorLook.objects.expired(timezone.now()).select_related("operator", "organization")
    ended = 0
    for access in rows.order_by("until")[:BATCH]:
        ended += end_support_access(actor=system(access.organization_id, label=access.operator.email), access=access)
    return ended


def _require_operator(actor: Actor) -> uuid.UUID:
    if actor.kind != ActorKind.OPERATOR or actor.is_support_access or actor.pk is None:
        raise Forbidden(_("Only an operator may do this."))
    return actor.pk

"""What the actions on an organization share: the row lock and the checks."""

import uuid

from django.utils.translation import gettext as _

from apps.base.actor import Actor, ActorKind
from apps.base.errors import Conflict, Forbidden, Invalid, NotFound
from apps.base.text.validation import check_plain_text
from apps.orgs.models import Organization

OPERATOR_KINDS = (ActorKind.OPERATOR, ActorKind.SYSTEM)
MAX_REASON_LENGTH = 200


def lock_organization(organization_id: uuid.UUID | None) -> Organization:
    """Lock and return the organization until the transaction ends, or raise NotFound."""
    if organization_id is None:
        raise NotFound()
    found = Organization.objects.select_for_update(no_key=True).filter(pk=organization_id).first()
    if found is None:
        raise NotFound()
    return found


def require_operator_or_system(actor: Actor) -> None:
    """Raise Forbidden unless the actor is an operator or the system."""
    if actor.kind not in OPERATOR_KINDS:
        raise Forbidden(_("Only the vendor's team may do this."))


def check_not_platform(organization: Organization) -> None:
    """Raise Conflict for the vendor's own organization, whose keys the host product uses."""
    if organization.is_platform:
        raise Conflict(_("This is the vendor's own organization. It stays as it is."))


def clean_reason(reason: str) -> str:
    """Return the reason on one line, or raise Invalid if it is missing or too long. Members can read it."""
    text = " ".join(reason.split())
    if not text:
        raise Invalid.field("reason", _("Give a reason. The members of the organization read it."))
    if len(text) > MAX_REASON_LENGTH:
        message = _("A reason has at most %(count)d characters.") % {"count": MAX_REASON_LENGTH}
        raise Invalid.field("reason", message)
    check_plain_text("reason", text)
    return text

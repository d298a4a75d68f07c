"""Operators who look at what a customer sees: at whose pages, from which session, as whom, and until when.

The row decides, not the session: the organization stands in the path, so two tabs and two organizations never mix.
"""

from datetime import timedelta

from django.db.models import F
from django.utils import timezone
from django.utils.crypto import constant_time_compare, salted_hmac

from apps.base.actor import Actor, ActorKind
from apps.base.permissions import is_read
from apps.base.requests import PortalRequest
from apps.base.web import operator_session
from apps.orgs.models import OperatorLook, OrganizationStatus
from apps.orgs.roles import ADMINISTRATOR

SUPPORT_ACCESS_DURATION = timedelta(minutes=30)
# What an admin of the organization sees, and nothing that an admin does.
SUPPORT_PERMISSIONS = frozenset(permission for permission in ADMINISTRATOR if is_read(permission))


def digest_of(session_key: str | None) -> str:
    """Return what a row keeps of the session: its key would let somebody in."""
    return salted_hmac("apps.orgs.looking", session_key or "", algorithm="sha256").hexdigest()


def support_access_of(request: PortalRequest, slug: str) -> OperatorLook | None:
    """Return the operator's open look at the organization from this session, or None."""
    if (
        not request.user.is_staff
        or not request.session.session_key
        or not operator_session.is_verified_operator(request)
    ):
        return None
    rows = OperatorLook.objects.open(timezone.now()).filter(operator_id=request.user.pk, organization__slug=slug)
    rows = rows.exclude(organization__status=OrganizationStatus.CLOSED).select_related("organization")
    found = rows.first()
    if found is None or not constant_time_compare(found.session_digest, digest_of(request.session.session_key)):
        return None
    return found


def actor_of(request: PortalRequest, look: OperatorLook) -> Actor:
    """Return the operator as an actor of the one organization who sees and changes nothing."""
    return Actor(
        kind=ActorKind.OPERATOR,
        id=request.user.public_id,
        label=request.user.email,
        organization_id=look.organization_id,
        permissions=SUPPORT_PERMISSIONS,
        is_support_access=True,
        address=request.client_address,
        user_agent=request.META.get("HTTP_USER_AGENT", "")[:300],
        request_id=request.request_id,
        pk=request.user.pk,
    )


def count_page(look: OperatorLook) -> None:
    """Count a page towards what the end of the look records."""
    OperatorLook.objects.filter(pk=look.pk).update(pages=F("pages") + 1)

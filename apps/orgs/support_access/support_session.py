"""Support access of a request: the open row, the actor, and the count of pages.

The database row decides, not the session: the organization is in the path, so several tabs and organizations never mix.
"""

from datetime import timedelta

from django.db.models import F
from django.utils import timezone
from django.utils.crypto import constant_time_compare, salted_hmac

from apps.base.actor import Actor, ActorKind
from apps.base.permissions import is_read
from apps.base.requests import PortalRequest, source_of
from apps.base.web import operator_session
from apps.orgs.models import OperatorLook, OrganizationStatus
from apps.orgs.roles import ADMINISTRATOR

SUPPORT_ACCESS_DURATION = timedelta(minutes=30)
# The read permissions of an admin.
SUPPORT_PERMISSIONS = frozenset(permission for permission in ADMINISTRATOR if is_read(permission))


def digest_of(session_key: str | None) -> str:
    """Return the digest of a session key that the row stores; the key itself would open the session."""
    return salted_hmac("apps.orgs.looking", session_key or "", algorithm="sha256").hexdigest()


def support_access_of(request: PortalRequest, slug: str) -> OperatorLook | None:
    """Return the operator's open support access to the organization from this session, or None."""
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


def operator_actor(request: PortalRequest, access: OperatorLook) -> Actor:
    """Return the operator as a read-only actor in the organization."""
    return Actor(
        kind=ActorKind.OPERATOR,
        id=request.user.public_id,
        label=request.user.email,
        organization_id=access.organization_id,
        permissions=SUPPORT_PERMISSIONS,
        is_support_access=True,
        pk=request.user.pk,
        **source_of(request),
    )


def count_page(access: OperatorLook) -> None:
    """Count a page, which the end of the access records."""
    OperatorLook.objects.filter(pk=access.pk).update(pages=F("pages") + 1)

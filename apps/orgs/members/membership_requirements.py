"""Conditions for members of an organization: required two-step sign-in, and suspension."""

import uuid

from allauth.mfa.models import Authenticator
from django.db.models import Exists, OuterRef
from django.utils.translation import gettext as _

from apps.api_keys.catalogue import contact_of
from apps.base.web.operator_session import SECOND_STEPS
from apps.orgs.models import Membership, Organization, OrganizationStatus


def has_second_step(user_pk: uuid.UUID | None) -> bool:
    """Return whether the user has an authenticator app or a passkey."""
    return Authenticator.objects.filter(user=user_pk, type__in=SECOND_STEPS).exists()


def without_second_step(organization: Organization) -> list[Membership]:
    """Return the members who have not set up a second step, in one query."""
    steps = Authenticator.objects.filter(user=OuterRef("user"), type__in=SECOND_STEPS)
    rows = Membership.objects.filter(~Exists(steps), organization=organization).select_related("user")
    return list(rows.order_by("user__name", "pk"))


def lacks_second_step(membership: Membership) -> bool:
    """Return whether the organization requires a second step that the member has not set up."""
    return membership.organization.two_step_required and not has_second_step(membership.user_id)


def why_suspended(organization: Organization) -> str:
    """Return why a suspended organization is read-only and whom to contact; empty if it is not suspended."""
    if organization.status != OrganizationStatus.SUSPENDED:
        return ""
    text = _("%(name)s is suspended: its pages can be read and nothing can be changed. %(contact)s")
    return text % {"name": organization.name, "contact": contact_of(organization.pk)}

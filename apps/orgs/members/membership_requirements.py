"""What holds for members of one organization at its door: two-step sign-in where it is required, and suspension."""

import uuid

from allauth.mfa.models import Authenticator
from django.db.models import Exists, OuterRef
from django.utils.translation import gettext as _

from apps.api_keys.catalogue import contact_of
from apps.orgs.models import Membership, Organization, OrganizationStatus

# Recovery codes are no second step of their own.
SECOND_STEPS = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)


def has_second_step(user_pk: uuid.UUID | None) -> bool:
    """Tell whether the person signs in in two steps: by an authenticator app or a passkey."""
    return Authenticator.objects.filter(user=user_pk, type__in=SECOND_STEPS).exists()


def without_second_step(organization: Organization) -> list[Membership]:
    """Return the members who have not set up a second step: one query."""
    steps = Authenticator.objects.filter(user=OuterRef("user"), type__in=SECOND_STEPS)
    rows = Membership.objects.filter(~Exists(steps), organization=organization).select_related("user")
    return list(rows.order_by("user__name", "pk"))


def lacks_second_step(membership: Membership) -> bool:
    """Tell whether the organization requires a second step that the member has not set up."""
    return membership.organization.two_step_required and not has_second_step(membership.user_id)


def why_suspended(organization: Organization) -> str:
    """Return why nothing can be changed here and whom to ask; empty where it is not suspended."""
    if organization.status != OrganizationStatus.SUSPENDED:
        return ""
    text = _("%(name)s is suspended: its pages can be read and nothing can be changed. %(contact)s")
    return text % {"name": organization.name, "contact": contact_of(organization.pk)}

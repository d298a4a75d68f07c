"""Lookups of the tenant for the apps above: primary key, key lifetime limit, retention, membership."""

import uuid

from django.conf import settings

from apps.base.errors import Conflict, NotFound
from apps.base.identifiers import decode
from apps.orgs.models import PLATFORM_SLUG, Membership, Organization, OrganizationStatus

# Category of data → name of the setting with the portal's retention in days, which is the maximum for organizations.
RETENTION_SETTINGS = {
    "audit": "RETENTION_DAYS_AUDIT",
    "calls": "RETENTION_DAYS_API_CALLS",
    "deliveries": "RETENTION_DAYS_DELIVERIES",
}


def organization_pk(slug: str) -> uuid.UUID:
    """Return the primary key of the organization with the slug, or raise NotFound naming it."""
    found = Organization.objects.filter(slug=slug).values_list("pk", flat=True).first()
    if found is None:
        raise NotFound(f"There is no organization with the slug {slug!r}.")
    return found


def platform_pk() -> uuid.UUID:
    """Return the primary key of the vendor's own organization."""
    return organization_pk(PLATFORM_SLUG)


def active_organization_pk(slug: str) -> uuid.UUID:
    """Return the primary key of an active organization; raise Conflict if it is suspended or closed.

    For commands that create objects, which would not work in a suspended or closed organization.
    """
    key = organization_pk(slug)
    status = Organization.objects.values_list("status", flat=True).get(pk=key)
    if status != OrganizationStatus.ACTIVE:
        remedy = {"closed": "Reopen", "suspended": "Resume"}[status]
        raise Conflict(
            f"The organization {slug!r} is {status}, so nothing was created. {remedy} it under /admin/ first."
        )
    return key


def find_organization(text: str) -> uuid.UUID | None:
    """Return the primary key of the organization whose slug or public id this is, or None."""
    key = decode("org", text)
    rows = Organization.objects.values_list("pk", flat=True)
    return rows.filter(pk=key).first() if key is not None else rows.filter(slug=text).first()


def is_member(organization_id: uuid.UUID, user_id: str) -> bool:
    """Return whether the user with a public id is a member of the organization."""
    return bool(Membership.objects.filter(organization_id=organization_id).with_user_id(user_id).exists())


def longest_key_days(organization_id: uuid.UUID | None) -> int | None:
    """Return the organization's maximum key lifetime in days; None if only the key type limits it."""
    if organization_id is None:
        return None
    return Organization.objects.filter(pk=organization_id).values_list("longest_key_days", flat=True).first()


def retention_field(category: str) -> str:
    """Return the name of the organization's field with the retention of audit, calls or deliveries."""
    return f"retention_days_{category}"


def retention_days(organization_id: uuid.UUID, category: str, maximum: int) -> int:
    """Return the retention of a category in days: the organization's own setting, at most ``maximum``."""
    rows = Organization.objects.filter(pk=organization_id)
    return min(rows.values_list(retention_field(category), flat=True).first() or maximum, maximum)


def portal_retention_days(category: str) -> int:
    """Return the portal's retention of a category in days."""
    days: int = getattr(settings, RETENTION_SETTINGS[category])
    return days


def shorter_retention_days(category: str) -> dict[uuid.UUID, int]:
    """Return the days of each organization whose retention of a category is shorter than the portal's."""
    field = retention_field(category)
    rows = Organization.objects.filter(**{f"{field}__lt": portal_retention_days(category)})
    return dict(rows.values_list("pk", field))

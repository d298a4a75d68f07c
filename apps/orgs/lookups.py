"""What the apps above ask of the tenant: its key, its limits, how long its rows are kept, who belongs to it."""

import uuid

from django.conf import settings

from apps.base.errors import Conflict, NotFound
from apps.base.identifiers import decode
from apps.orgs.models import PLATFORM_SLUG, Membership, Organization, OrganizationStatus

# Kind of rows → the setting that is the portal's own figure, and so the most that an organization may choose.
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
    """Return the same for whoever is about to create something; raise Conflict where nothing created would work."""
    key = organization_pk(slug)
    status = Organization.objects.values_list("status", flat=True).get(pk=key)
    if status != OrganizationStatus.ACTIVE:
        undo = {"closed": "Reopen", "suspended": "Resume"}[status]
        raise Conflict(f"The organization {slug!r} is {status}, so nothing was created. {undo} it under /admin/ first.")
    return key


def find_organization(text: str) -> uuid.UUID | None:
    """Return the primary key of the organization whose slug or public id this is, or None."""
    key = decode("org", text)
    rows = Organization.objects.values_list("pk", flat=True)
    return rows.filter(pk=key).first() if key is not None else rows.filter(slug=text).first()


def is_member(organization_id: uuid.UUID, user_id: str) -> bool:
    """Tell whether the account with a public id belongs to an organization at this moment."""
    return bool(Membership.objects.filter(organization_id=organization_id).with_user_id(user_id).exists())


def longest_key_days(organization_id: uuid.UUID | None) -> int | None:
    """Return the longest lifetime in days that the organization gives its keys; None: as their types say."""
    if organization_id is None:
        return None
    return Organization.objects.filter(pk=organization_id).values_list("longest_key_days", flat=True).first()


def retention_field(kind: str) -> str:
    """Return the organization's field for a kind of rows: audit, calls or deliveries."""
    return f"retention_days_{kind}"


def retention_days(organization_id: uuid.UUID, kind: str, most: int) -> int:
    """Return for how many days rows of a kind are kept: the organization's own figure within ``most``."""
    rows = Organization.objects.filter(pk=organization_id)
    return min(rows.values_list(retention_field(kind), flat=True).first() or most, most)


def portal_retention_days(kind: str) -> int:
    """Return the portal's own days of a kind."""
    days: int = getattr(settings, RETENTION_SETTINGS[kind])
    return days


def shorter_retention_days(kind: str) -> dict[uuid.UUID, int]:
    """Return the days of each organization that keeps rows of a kind for less time than the portal: few or none."""
    field = retention_field(kind)
    rows = Organization.objects.filter(**{f"{field}__lt": portal_retention_days(kind)})
    return dict(rows.values_list("pk", field))

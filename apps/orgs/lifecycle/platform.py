"""The vendor's own organization, which holds the host product's keys."""

from apps.orgs.models import PLATFORM_SLUG, Organization


def ensure_platform() -> None:
    """Make the organization ``platform`` where it is missing."""
    Organization.objects.get_or_create(slug=PLATFORM_SLUG, defaults={"name": "Platform"})

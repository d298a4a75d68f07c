"""The vendor's own organization, which owns the host product's keys."""

from apps.orgs.models import PLATFORM_SLUG, Organization


def ensure_platform() -> None:
    """Create the organization ``platform`` if it is missing."""
    Organization.objects.get_or_create(slug=PLATFORM_SLUG, defaults={"name": "Platform"})

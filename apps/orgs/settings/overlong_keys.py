"""Active keys whose lifetime exceeds the organization's limit: they are listed, not changed."""

from datetime import timedelta
from typing import Any

from django.db.models import F, Q
from django.urls import NoReverseMatch, reverse

from apps.credentials.key_kinds import KINDS
from apps.orgs.models import Organization

MAX_LISTED = 50


def find_overlong_keys(organization: Organization) -> list[dict[str, Any]]:
    """Return up to 50 active keys, of every kind, whose lifetime exceeds the organization's limit."""
    days = organization.longest_key_days
    if days is None:
        return []
    found = []
    for kind in KINDS.values():
        rows = kind.keys().filter(organization_id=organization.pk).live()
        longer = rows.filter(Q(expires_at=None) | Q(expires_at__gt=F("created_at") + timedelta(days=days, seconds=5)))
        found += [_shown(kind.kind, key, organization.slug) for key in longer.order_by("pk")[:MAX_LISTED]]
    return found[:MAX_LISTED]


def _shown(kind: str, key: Any, slug: str) -> dict[str, Any]:
    try:
        url = reverse(kind, args=[slug, key.public_id])
    except NoReverseMatch:
        url = ""
    return {"name": key.name, "mask": key.mask, "expires_at": key.expires_at, "url": url}

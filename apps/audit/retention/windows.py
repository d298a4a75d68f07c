"""Retention periods by kind of rows, and the times from which all rows are stored."""

import uuid
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.conf import settings

from apps.audit.models import KeptSince
from apps.base import timestamps
from apps.orgs.lookups import RETENTION_SETTINGS, shorter_retention_days

DAYS = {**RETENTION_SETTINGS, "attempts": "RETENTION_DAYS_ATTEMPTS", "events": "RETENTION_DAYS_EVENTS"}
DAY = timedelta(days=1)


def days(kind: str) -> int:
    """Return the portal's retention period of a kind in days."""
    found: int = getattr(settings, DAYS[kind])
    return found


def days_of_organizations(kind: str) -> dict[uuid.UUID, int]:
    """Return the retention days of the organizations that have chosen a shorter period."""
    return shorter_retention_days(kind) if kind in RETENTION_SETTINGS else {}


def retention_cutoff(kind: str, organization_id: uuid.UUID) -> datetime:
    """Return the time before which an organization's rows are deleted."""
    return timestamps.database_now() - timedelta(days=days_of_organizations(kind).get(organization_id, days(kind)))


def record_window(organization_id: uuid.UUID, kinds: Iterable[str]) -> None:
    """Store since when rows of these kinds are complete; called once a day."""
    for kind in sorted(kinds):
        since = retention_cutoff(kind, organization_id)
        rows = KeptSince.objects.filter(organization_id=organization_id, kind=kind)
        if not rows.filter(since__gte=since).exists() and not rows.update(since=since):
            KeptSince.objects.get_or_create(organization_id=organization_id, kind=kind, defaults={"since": since})


def reset_windows(organization_id: uuid.UUID) -> None:
    """Set the windows of calls, attempts and events to start now, before an organization's data is deleted.

    Otherwise verification would report the deleted rows as tampered with.
    """
    now = timestamps.database_now()
    for kind in sorted(set(DAYS) - {"audit"}):
        KeptSince.objects.update_or_create(organization_id=organization_id, kind=kind, defaults={"since": now})


def complete_since(organization_id: uuid.UUID, kinds: Iterable[str]) -> datetime:
    """Return the time since which every row must exist, whatever retention has deleted so far.

    A stored time is up to a day old: retention can have deleted one more day before a longer period was chosen.
    """
    stored = KeptSince.objects.filter(organization_id=organization_id, kind__in=kinds).values_list("since", flat=True)
    return max([*(retention_cutoff(kind, organization_id) for kind in kinds), *(since + DAY for since in stored)])


def delete_windows(organization_id: uuid.UUID) -> None:
    """Delete the windows of an organization without entries, which has nothing left to verify."""
    KeptSince.objects.filter(organization_id=organization_id).delete()

"""For how long rows of a kind are kept, and from when on all of them are there."""

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
    """Return the portal's own days of a kind."""
    found: int = getattr(settings, DAYS[kind])
    return found


def days_of_organizations(kind: str) -> dict[uuid.UUID, int]:
    """Return the days of the organizations that keep a kind for a shorter time."""
    return shorter_retention_days(kind) if kind in RETENTION_SETTINGS else {}


def retention_cutoff(kind: str, organization_id: uuid.UUID) -> datetime:
    """Return the moment before which rows of an organization are removed."""
    return timestamps.database_now() - timedelta(days=days_of_organizations(kind).get(organization_id, days(kind)))


def record_window(organization_id: uuid.UUID, kinds: Iterable[str]) -> None:
    """Write down from when on rows are kept; once a day is enough."""
    for kind in sorted(kinds):
        since = retention_cutoff(kind, organization_id)
        rows = KeptSince.objects.filter(organization_id=organization_id, kind=kind)
        if not rows.filter(since__gte=since).exists() and not rows.update(since=since):
            KeptSince.objects.get_or_create(organization_id=organization_id, kind=kind, defaults={"since": since})


def reset_windows(organization_id: uuid.UUID) -> None:
    """Note that an organization's calls, attempts and events are being removed whatever their age.

    For whoever removes the data of an organization: what is gone must not look falsified.
    """
    now = timestamps.database_now()
    for kind in sorted(set(DAYS) - {"audit"}):
        KeptSince.objects.update_or_create(organization_id=organization_id, kind=kind, defaults={"since": now})


def complete_since(organization_id: uuid.UUID, kinds: Iterable[str]) -> datetime:
    """Return the moment from which on every row must be there, whatever retention has done so far.

    A note is up to a day old: retention may have removed a day more before somebody chose longer days.
    """
    noted = KeptSince.objects.filter(organization_id=organization_id, kind__in=kinds).values_list("since", flat=True)
    return max([*(retention_cutoff(kind, organization_id) for kind in kinds), *(since + DAY for since in noted)])


def delete_windows(organization_id: uuid.UUID) -> None:
    """Remove the notes of an organization that has no entries any more: there is nothing left to verify."""
    KeptSince.objects.filter(organization_id=organization_id).delete()

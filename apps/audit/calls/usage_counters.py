"""Usage counts for pages, read from the rollups: one query each, whatever the size of the log."""

import uuid
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple, cast

from django.db.models import Q, Sum
from django.db.models.functions import Coalesce
from django.utils import timezone

from apps.audit.models import LastUse, UsageDay, UsageHour
from apps.base.web.client_address import UNKNOWN

ERRORS = ~Q(status_class="2xx")
COUNT = Coalesce(Sum("calls"), 0)
ERROR_COUNT = Coalesce(Sum("calls", filter=ERRORS), 0)


class Day(NamedTuple):
    """Calls of one UTC day; ``errors`` counts responses with status 400 or higher, including 429."""

    date: date
    calls: int
    errors: int


def last_uses(credential_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, LastUse]:
    """Return the last use of each key, by the key's primary key, without unused keys. Takes at most 999 keys."""
    return LastUse.objects.in_bulk(credential_ids) if credential_ids else {}


def was_address_used(credential_id: uuid.UUID, address: str) -> bool:
    """Return whether the key ever got a 2xx response for a call from this address."""
    rows = UsageHour.objects.filter(credential_id=credential_id, address=address, status_class="2xx")
    return address not in ("", UNKNOWN) and rows.exists()


def daily_series(
    organization_id: uuid.UUID, credential_ids: Sequence[uuid.UUID], days: int, now: datetime | None = None
) -> dict[uuid.UUID, list[Day]]:
    """Return the last ``days`` UTC days of each key, oldest first, today last, days without calls as zeros."""
    today = (now or timezone.now()).astimezone(UTC).date()
    dates = [today - timedelta(days=back) for back in reversed(range(days))]
    rows = UsageDay.objects.filter(
        organization_id=organization_id, credential_id__in=list(credential_ids), day__gte=dates[0]
    )
    counted = (
        rows.values("credential_id", "day")
        .annotate(total=COUNT, failed=ERROR_COUNT)
        .values_list("credential_id", "day", "total", "failed")
    )
    found: dict[uuid.UUID, dict[date, Day]] = defaultdict(dict)
    for key, day, total, failed in counted if credential_ids else ():
        found[key][day] = Day(day, total, failed)
    return {key: [found[key].get(day, Day(day, 0, 0)) for day in dates] for key in credential_ids}


def hourly_totals(organization_id: uuid.UUID, now: datetime | None = None) -> list[tuple[int, int]]:
    """Return the organization's calls and errors of the current hour and the 23 before it, oldest first."""
    this_hour = (now or timezone.now()).astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    first = this_hour - timedelta(hours=23)
    rows = UsageHour.objects.filter(organization_id=organization_id, hour__gte=first)
    counted = rows.values("hour").annotate(total=COUNT, failed=ERROR_COUNT).values_list("hour", "total", "failed")
    found = {hour: (total, failed) for hour, total, failed in counted}
    return [found.get(first + timedelta(hours=index), (0, 0)) for index in range(24)]


class Hour(NamedTuple):
    """Calls of one key in one UTC hour; ``limited`` counts the 429s among the errors."""

    hour: datetime
    calls: int
    errors: int
    limited: int


def hourly_series(
    organization_id: uuid.UUID | None, credential_id: uuid.UUID, hours: int, now: datetime | None = None
) -> list[Hour]:
    """Return a key's last ``hours`` UTC hours, oldest first, the current one last, hours without calls as zeros."""
    this_hour = (now or timezone.now()).astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    first = this_hour - timedelta(hours=hours - 1)
    rows = UsageHour.objects.filter(
        organization_id=cast(uuid.UUID, organization_id), credential_id=credential_id, hour__gte=first
    )
    counted = rows.values("hour").annotate(
        total=COUNT, failed=ERROR_COUNT, limited=Coalesce(Sum("calls", filter=Q(status_class="429")), 0)
    )
    found = {row["hour"]: Hour(row["hour"], row["total"], row["failed"], row["limited"]) for row in counted}
    spans = [first + timedelta(hours=index) for index in range(hours)]
    return [found.get(hour, Hour(hour, 0, 0, 0)) for hour in spans]

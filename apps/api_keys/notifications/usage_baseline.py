"""The baseline of each key's use, computed from four weeks of the hourly rollup, and its use in the last two hours.

Reads only the hourly rollup, never the call log: per run one query over the last two hours, and two over four weeks
for the keys whose baseline is a day old.
"""

import uuid
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import Max, Sum

from apps.api_keys.models import ApiKey, KeyHabit
from apps.api_keys.notifications.networks import networks_of
from apps.audit.models import NO_CREDENTIAL, UsageHour
from apps.credentials.gate.key_rows import as_seconds, as_uuid, to_datetime

HISTORY = timedelta(days=28)
STALE_AFTER = timedelta(hours=24)
HOUR = timedelta(hours=1)
REFUSED = ("4xx", "429")
# Stored networks per key; the most recently seen ones remain.
MAX_NETWORKS = 50
# Keys per statement: SQLite allows 999 parameters.
MAX_IDS_PER_STATEMENT = 900
BASELINE_FIELDS = ("first_hour", "hours", "busiest_hour", "calls", "refused")

BASELINE_SQL = """
SELECT credential_id, MIN(hour), COUNT(*), MAX(calls), SUM(calls), SUM(refused) FROM (
    SELECT u.credential_id, u.hour, SUM(u.calls) AS calls,
           SUM(CASE WHEN u.status_class IN ('4xx', '429') THEN u.calls ELSE 0 END) AS refused
    FROM audit_usagehour u
    WHERE u.credential_id IN ({placeholders}) AND u.hour >= %s AND u.hour < %s
    GROUP BY u.credential_id, u.hour
) AS hours GROUP BY credential_id
"""


@dataclass(slots=True)
class RecentUse:
    """The requests of one key in the current and the previous hour."""

    by_hour: Counter[datetime] = field(default_factory=Counter)
    by_class: Counter[str] = field(default_factory=Counter)
    by_address: Counter[str] = field(default_factory=Counter)

    @property
    def calls(self) -> int:
        """Return the number of all requests."""
        return self.by_class.total()

    @property
    def refused(self) -> int:
        """Return the number of requests with a 4xx status, 429 included."""
        return sum(self.by_class[each] for each in REFUSED)


def window_start(now: datetime) -> datetime:
    """Return the start of the previous hour."""
    return now.replace(minute=0, second=0, microsecond=0) - HOUR


def recent_use(now: datetime) -> dict[uuid.UUID, RecentUse]:
    """Return the use of each key of an active organization since ``window_start``: one query."""
    rows = UsageHour.objects.filter(hour__gte=window_start(now), organization__status="active")
    rows = rows.exclude(credential_id=NO_CREDENTIAL).order_by()
    counted = rows.values_list("credential_id", "hour", "status_class", "address").annotate(total=Sum("calls"))
    found: dict[uuid.UUID, RecentUse] = defaultdict(RecentUse)
    for key, hour, status_class, address, total in counted:
        recent = found[key]
        recent.by_hour[hour] += total
        recent.by_class[status_class] += total
        recent.by_address[address] += total
    return dict(found)


def chunks(ids: Sequence[uuid.UUID]) -> Iterator[Sequence[uuid.UUID]]:
    """Split a list into chunks for one statement each."""
    return (ids[start : start + MAX_IDS_PER_STATEMENT] for start in range(0, len(ids), MAX_IDS_PER_STATEMENT))


def baselines(ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, KeyHabit]:
    """Return the stored baselines by key."""
    return {baseline.pk: baseline for chunk in chunks(ids) for baseline in KeyHabit.objects.filter(pk__in=chunk)}


def is_stale(baseline: KeyHabit | None, now: datetime, age: timedelta = STALE_AFTER) -> bool:
    """Return whether a baseline is missing or older than ``age``."""
    return baseline is None or baseline.learned_at <= now - age


def baseline_of(key: ApiKey) -> KeyHabit | None:
    """Return a key's stored baseline, or None."""
    return getattr(key, "habit", None)


def store_baselines(keys: Sequence[ApiKey], now: datetime) -> dict[uuid.UUID, Counter[str]]:
    """Store new baselines from the hours before the last two, and set them on the keys.

    Networks are only learned for a key without a baseline. Returns the addresses of each key since its last baseline:
    if no worker ran for hours, some of them were never checked.
    """
    if not keys:
        return {}
    keys = keys[:MAX_IDS_PER_STATEMENT]
    until = window_start(now)
    baselines_by_key = _query_baselines([key.pk for key in keys], until - HISTORY, until)
    addresses = _addresses([key.pk for key in keys], until - HISTORY, until)
    unchecked_addresses, learned = {}, []
    for key in keys:
        before, seen = baseline_of(key), addresses.get(key.pk, {})
        networks = before.networks if before else networks_of(seen)[-MAX_NETWORKS:]
        if before is not None:
            since = window_start(before.learned_at)
            unchecked_addresses[key.pk] = Counter(address for address, last in seen.items() if last >= since)
        # A key without use in four weeks keeps its previous baseline.
        found = baselines_by_key.get(key.pk) or _previous_figures(before)
        baseline = KeyHabit(key=key, learned_at=now, networks=networks, **found)
        key.habit = baseline
        learned.append(baseline)
    names = ["learned_at", "networks", *BASELINE_FIELDS]
    KeyHabit.objects.bulk_create(learned, update_conflicts=True, unique_fields=["key"], update_fields=names)
    return unchecked_addresses


def add_known_networks(key: ApiKey, networks: Iterable[str]) -> None:
    """Add networks to the key's baseline. Idempotent, so concurrent workers do no harm."""
    baseline: KeyHabit = key.habit
    known = [each for each in baseline.networks if each not in networks]
    baseline.networks = [*known, *networks][-MAX_NETWORKS:]
    KeyHabit.objects.filter(pk=baseline.pk).update(networks=baseline.networks)


def _query_baselines(ids: Sequence[uuid.UUID], since: datetime, until: datetime) -> dict[uuid.UUID, dict[str, Any]]:
    """Return the baseline figures of each key. Raw SQL, because the ORM cannot aggregate over a grouped subquery."""
    adapt = connection.ops.adapt_datetimefield_value
    sql = BASELINE_SQL.format(placeholders=", ".join(["%s"] * len(ids)))
    own_ids = [each if connection.features.has_native_uuid_field else each.hex for each in ids]
    with connection.cursor() as cursor:
        cursor.execute(sql, [*own_ids, adapt(since), adapt(until)])
        rows = cursor.fetchall()
    return {
        as_uuid(key): dict(zip(BASELINE_FIELDS, (to_datetime(as_seconds(first)), *counts), strict=True))
        for key, first, *counts in rows
    }


def _previous_figures(baseline: KeyHabit | None) -> dict[str, Any]:
    return {name: getattr(baseline, name) for name in BASELINE_FIELDS} if baseline else {}


def _addresses(ids: Sequence[uuid.UUID], since: datetime, until: datetime) -> dict[uuid.UUID, dict[str, datetime]]:
    """Return the addresses of each key with the hour of their last use, the least recent first."""
    rows = UsageHour.objects.filter(credential_id__in=ids, hour__gte=since, hour__lt=until)
    newest = rows.order_by().values_list("credential_id", "address").annotate(last=Max("hour")).order_by("last")
    found: dict[uuid.UUID, dict[str, datetime]] = defaultdict(dict)
    for key, address, last in newest:
        found[key][address] = last
    return found

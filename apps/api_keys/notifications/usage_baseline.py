"""What is usual for a key, learned from its hourly figures of four weeks, and what it did within the last two hours.

Reads the rollup only, never the log of calls: per run one query over the last two hours, and two over four weeks for
the few keys whose habits are a day old.
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
from apps.credentials.gate.raw_values import as_seconds, as_uuid, to_datetime

HISTORY = timedelta(days=28)
STALE_AFTER = timedelta(hours=24)
HOUR = timedelta(hours=1)
REFUSED = ("4xx", "429")
# Networks that are remembered of a key, the newest ones.
MOST_NETWORKS = 50
# Keys asked for in one statement: SQLite takes 999 parameters.
CHUNK = 900
FIGURES = ("first_hour", "hours", "busiest_hour", "calls", "refused")

HABITS = """
SELECT credential_id, MIN(hour), COUNT(*), MAX(calls), SUM(calls), SUM(refused) FROM (
    SELECT u.credential_id, u.hour, SUM(u.calls) AS calls,
           SUM(CASE WHEN u.status_class IN ('4xx', '429') THEN u.calls ELSE 0 END) AS refused
    FROM audit_usagehour u
    WHERE u.credential_id IN ({marks}) AND u.hour >= %s AND u.hour < %s
    GROUP BY u.credential_id, u.hour
) AS hours GROUP BY credential_id
"""


@dataclass(slots=True)
class Recent:
    """What one key did in the current hour and the one before it."""

    by_hour: Counter[datetime] = field(default_factory=Counter)
    by_class: Counter[str] = field(default_factory=Counter)
    by_address: Counter[str] = field(default_factory=Counter)

    @property
    def calls(self) -> int:
        """All of them."""
        return self.by_class.total()

    @property
    def refused(self) -> int:
        """Those that were answered with 4xx, 429 included."""
        return sum(self.by_class[each] for each in REFUSED)


def window_start(now: datetime) -> datetime:
    """Return where the last two hours begin: the start of the hour before the current one."""
    return now.replace(minute=0, second=0, microsecond=0) - HOUR


def recent_use(now: datetime) -> dict[uuid.UUID, Recent]:
    """Return what each key of an active organization did lately; one query."""
    rows = UsageHour.objects.filter(hour__gte=window_start(now), organization__status="active")
    rows = rows.exclude(credential_id=NO_CREDENTIAL).order_by()
    counted = rows.values_list("credential_id", "hour", "status_class", "address").annotate(total=Sum("calls"))
    found: dict[uuid.UUID, Recent] = defaultdict(Recent)
    for key, hour, status_class, address, total in counted:
        recent = found[key]
        recent.by_hour[hour] += total
        recent.by_class[status_class] += total
        recent.by_address[address] += total
    return dict(found)


def chunks(ids: Sequence[uuid.UUID]) -> Iterator[Sequence[uuid.UUID]]:
    """Cut a list into what one statement takes."""
    return (ids[start : start + CHUNK] for start in range(0, len(ids), CHUNK))


def known(ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, KeyHabit]:
    """Return what is known to be usual, by key."""
    return {habit.pk: habit for chunk in chunks(ids) for habit in KeyHabit.objects.filter(pk__in=chunk)}


def is_stale(habit: KeyHabit | None, now: datetime, age: timedelta = STALE_AFTER) -> bool:
    """Tell whether habits are older than that, or not known at all."""
    return habit is None or habit.learned_at <= now - age


def habit_of(key: ApiKey) -> KeyHabit | None:
    """Return what is known to be usual for a key."""
    return getattr(key, "habit", None)


def learn(keys: Sequence[ApiKey], now: datetime) -> dict[uuid.UUID, Counter[str]]:
    """Learn the habits of some keys from the hours before the last two, and put them on the keys.

    Networks are taken as known only where nothing was known yet. Returned are the addresses of each key since its
    habits were learned last: with a worker that was away for hours, some of them were never looked at.
    """
    if not keys:
        return {}
    keys = keys[:CHUNK]
    until = window_start(now)
    figures = _figures([key.pk for key in keys], until - HISTORY, until)
    addresses = _addresses([key.pk for key in keys], until - HISTORY, until)
    unseen, learned = {}, []
    for key in keys:
        before, seen = habit_of(key), addresses.get(key.pk, {})
        networks = before.networks if before else networks_of(seen)[-MOST_NETWORKS:]
        if before is not None:
            since = window_start(before.learned_at)
            unseen[key.pk] = Counter(address for address, last in seen.items() if last >= since)
        # A key that slept for four weeks keeps the habits that it had.
        found = figures.get(key.pk) or _carried(before)
        habit = KeyHabit(key=key, learned_at=now, networks=networks, **found)
        key.habit = habit
        learned.append(habit)
    names = ["learned_at", "networks", *FIGURES]
    KeyHabit.objects.bulk_create(learned, update_conflicts=True, unique_fields=["key"], update_fields=names)
    return unseen


def remember(key: ApiKey, networks: Iterable[str]) -> None:
    """Take networks as known from now on. A second worker that does so too only repeats it."""
    habit: KeyHabit = key.habit
    known = [each for each in habit.networks if each not in networks]
    habit.networks = [*known, *networks][-MOST_NETWORKS:]
    KeyHabit.objects.filter(pk=habit.pk).update(networks=habit.networks)


def _figures(ids: Sequence[uuid.UUID], since: datetime, until: datetime) -> dict[uuid.UUID, dict[str, Any]]:
    """A sum of sums, which the ORM cannot write."""
    adapt = connection.ops.adapt_datetimefield_value
    sql = HABITS.format(marks=", ".join(["%s"] * len(ids)))
    own_ids = [each if connection.features.has_native_uuid_field else each.hex for each in ids]
    with connection.cursor() as cursor:
        cursor.execute(sql, [*own_ids, adapt(since), adapt(until)])
        rows = cursor.fetchall()
    return {
        as_uuid(key): dict(zip(FIGURES, (to_datetime(as_seconds(first)), *counts), strict=True))
        for key, first, *counts in rows
    }


def _carried(habit: KeyHabit | None) -> dict[str, Any]:
    return {name: getattr(habit, name) for name in FIGURES} if habit else {}


def _addresses(ids: Sequence[uuid.UUID], since: datetime, until: datetime) -> dict[uuid.UUID, dict[str, datetime]]:
    """Return the addresses of each key with the last hour of each, the oldest first."""
    rows = UsageHour.objects.filter(credential_id__in=ids, hour__gte=since, hour__lt=until)
    newest = rows.order_by().values_list("credential_id", "address").annotate(last=Max("hour")).order_by("last")
    found: dict[uuid.UUID, dict[str, datetime]] = defaultdict(dict)
    for key, address, last in newest:
        found[key][address] = last
    return found

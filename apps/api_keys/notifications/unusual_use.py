"""Use of a key that it was never put to: far more calls, a new network, a burst of refusals.

A key is compared with itself alone. What is too new or too little used to have habits is not judged by them, and a
key that was set aside not at all: each of its calls is flagged already.
"""

import random
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from apps.api_keys.models import ApiKey, KeyHabit
from apps.api_keys.notifications import posting, usage_baseline
from apps.api_keys.notifications.networks import is_listed, network_of
from apps.api_keys.notifications.usage_baseline import Recent, habit_of
from apps.base.timestamps import format_timestamp
from apps.credentials.key_status import is_working
from apps.notices.models import Severity

# A week holds every weekday, a weekend and whatever runs weekly.
LEAST_HISTORY = timedelta(days=7)
# The busiest of up to 672 hours is an extreme already: what is steady, or has a daily rhythm, does not triple it.
RATE_FACTOR = 3
# A tenth of the default limit of an hour. Below, somebody ran a script twice.
RATE_LEAST_CALLS = 500
# Fewer calls in four weeks say nothing of what is usual.
RATE_LEAST_HISTORY_CALLS = 100
# A job that runs daily has a network within three weeks; one that was tried out once has none.
NETWORK_LEAST_HISTORY_CALLS = 20
# A key that is used from more networks than this is used from everywhere: one more tells nobody anything.
NETWORK_MOST_KNOWN = 10
# At most so many new networks of a key in one run are told; more of them is the same news.
NETWORKS_A_RUN = 3
# Half of at least 50 calls within two hours: not a typing error, but a program that goes on although it is refused.
REFUSALS_LEAST = 50
REFUSALS_SHARE = 0.5
# Some programs ask whether a thing exists and are answered 404 as a matter of course.
REFUSALS_USUAL_SHARE = 0.25
# Keys whose habits are learned in one run; the others have their turn a minute later.
LEARNED_A_RUN = 200


@dataclass(frozen=True, slots=True)
class Finding:
    """Something unusual: what kind, the mark that tells it from the next, a sentence, and its evidence."""

    pattern: str
    mark: str
    reason: str
    evidence: dict[str, Any]


# The periodic job api_keys.detect_unusual_use (apps.py).
def look_at_use(now: datetime | None = None) -> int:
    """Compare the last two hours of each key with its habits, and return how many alerts were new."""
    moment = now or timezone.now()
    recent = usage_baseline.recent_use(moment)
    keys = _keys(_worth_a_look(recent, moment), moment)
    unseen = usage_baseline.learn(
        [key for key in keys if usage_baseline.is_stale(habit_of(key), moment)][:LEARNED_A_RUN], moment
    )
    # A day-old figure is good enough to clear a key, not to accuse it.
    fast = [key for key in keys if _too_fast(habit_of(key), recent[key.pk])]
    unseen |= usage_baseline.learn(
        [key for key in fast if usage_baseline.is_stale(habit_of(key), moment, usage_baseline.HOUR)], moment
    )
    return sum(_look_at(key, recent[key.pk], unseen.get(key.pk, Counter()), moment) for key in keys)


def _worth_a_look(recent: Mapping[uuid.UUID, Recent], now: datetime) -> list[uuid.UUID]:
    """Clear, by their habits alone, the many keys that do what they always did, and return the others."""
    known = usage_baseline.known(list(recent))
    stale = [key for key in recent if usage_baseline.is_stale(known.get(key), now)]
    striking = {key for key, use in recent.items() if _strikes(known.get(key), use)}
    # Any of them rather than the first: among them are keys that are off, which are never learned.
    some = random.sample(stale, min(len(stale), 2 * LEARNED_A_RUN))
    return list(striking.union(some))


def _strikes(habit: KeyHabit | None, recent: Recent) -> bool:
    return _is_burst(recent) or (habit is not None and _too_fast(habit, recent)) or _goes_elsewhere(habit, recent)


def _keys(ids: list[uuid.UUID], now: datetime) -> list[ApiKey]:
    rows = ApiKey.objects.filter(is_working(now)).select_related("key_type", "habit")
    return [key for chunk in usage_baseline.chunks(ids) for key in rows.filter(pk__in=chunk)]


def _look_at(key: ApiKey, recent: Recent, unseen: Counter[str], now: datetime) -> int:
    new = _new_networks(habit_of(key), recent.by_address + unseen)
    findings = [*_fast(key, recent, now), *_refused(key, recent, now), *_elsewhere(key, new, now)]
    told = sum(_tell(key, finding) for finding in findings)
    if new:
        usage_baseline.remember(key, new)
    return told


@transaction.atomic
def _tell(key: ApiKey, finding: Finding) -> bool:
    kind, story = f"api_key.unusual_{finding.pattern}", f"{posting.UNUSUAL}:{finding.pattern}:{finding.mark}"
    if not posting.post(key, kind, story, severity=Severity.WARN, params=finding.evidence):
        return False
    facts = {"pattern": finding.pattern, "reason": finding.reason, **finding.evidence}
    posting.publish(key, "api_key.unusual_use", facts)
    return True


def _has_history(habit: KeyHabit | None, calls: int, now: datetime) -> bool:
    first = habit.first_hour if habit else None
    return habit is not None and first is not None and first <= now - LEAST_HISTORY and habit.calls >= calls


def _most_used(addresses: Mapping[str, int]) -> str | None:
    named = Counter({address: calls for address, calls in addresses.items() if network_of(address)})
    return named.most_common(1)[0][0] if named else None


# Far more calls than ever


def _too_fast(habit: KeyHabit | None, recent: Recent) -> bool:
    busiest = habit.busiest_hour if habit else 0
    return max(recent.by_hour.values()) >= max(RATE_LEAST_CALLS, RATE_FACTOR * busiest)


def _fast(key: ApiKey, recent: Recent, now: datetime) -> Iterator[Finding]:
    habit = habit_of(key)
    if habit is None or not _too_fast(habit, recent) or not _has_history(habit, RATE_LEAST_HISTORY_CALLS, now):
        return
    hour, calls = recent.by_hour.most_common(1)[0]
    evidence = {
        "calls": calls,
        "hour": format_timestamp(hour),
        "busiest_hour": habit.busiest_hour,
        "address": _most_used(recent.by_address),
    }
    reason = f"{calls} calls in one hour; never more than {habit.busiest_hour} in the four weeks before"
    yield Finding("rate", f"{hour:%Y-%m-%d}", reason, evidence)


# Refused again and again


def _is_burst(recent: Recent) -> bool:
    return recent.refused >= max(REFUSALS_LEAST, REFUSALS_SHARE * recent.calls)


def _refused(key: ApiKey, recent: Recent, now: datetime) -> Iterator[Finding]:
    refused, calls, habit = recent.refused, recent.calls, habit_of(key)
    if not _is_burst(recent):
        return
    usual = habit.refused / habit.calls if habit and _has_history(habit, REFUSALS_LEAST, now) else 0.0
    if usual >= REFUSALS_USUAL_SHARE:
        return
    since = usage_baseline.window_start(now)
    evidence = {
        "refused": refused,
        "limited": recent.by_class["429"],
        "calls": calls,
        "since": format_timestamp(since),
        "address": _most_used(recent.by_address),
    }
    yield Finding("refusals", f"{since:%Y-%m-%d}", f"{refused} of {calls} calls were refused", evidence)


# Somewhere else


def _goes_elsewhere(habit: KeyHabit | None, recent: Recent) -> bool:
    return bool(_new_networks(habit, recent.by_address))


def _new_networks(habit: KeyHabit | None, addresses: Mapping[str, int]) -> dict[str, str]:
    """Return networks that a key was not used from before, each with an address of it."""
    known = set(habit.networks) if habit else set()
    found: dict[str, str] = {}
    for address in sorted(addresses) if habit else ():
        network = network_of(address)
        if network is not None and network not in known:
            found.setdefault(network, address)
    return found


def _elsewhere(key: ApiKey, new: dict[str, str], now: datetime) -> Iterator[Finding]:
    """Networks that somebody allowed on purpose are no news; others are, even where the calls were refused."""
    habit = habit_of(key)
    if habit is None or not habit.networks or len(habit.networks) > NETWORK_MOST_KNOWN:
        return
    if not _has_history(habit, NETWORK_LEAST_HISTORY_CALLS, now):
        return
    surprising = {net: address for net, address in new.items() if not is_listed(address, key.allowed_networks)}
    known = habit.networks[-3:]
    for network, address in list(surprising.items())[:NETWORKS_A_RUN]:
        evidence = {"network": network, "address": address, "known_networks": known}
        yield Finding("network", network, f"First call from the network {network}", evidence)

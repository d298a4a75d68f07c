"""Detect unusual use of a key: far more requests than before, a new network, a burst of rejected requests.

A key is only compared with its own baseline, if it is old enough and used enough to have one. Quarantined keys are
left out, because each of their requests is flagged already.
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
from apps.api_keys.notifications.networks import is_allowed, network_of
from apps.api_keys.notifications.usage_baseline import RecentUse, baseline_of
from apps.base.timestamps import format_timestamp
from apps.credentials.key_status import unrestricted
from apps.notices.models import Severity

# A week includes every weekday, a weekend and weekly jobs.
MIN_HISTORY = timedelta(days=7)
# The busiest of up to 672 hours is an extreme already: steady or daily use does not triple it.
RATE_FACTOR = 3
# A tenth of the default hourly limit. Below that, a script that ran twice is more likely.
RATE_MIN_CALLS = 500
# With fewer requests in four weeks there is no usual rate.
RATE_MIN_HISTORY_CALLS = 100
# A daily job reaches this within three weeks; a key that was only tried out does not.
NETWORK_MIN_HISTORY_CALLS = 20
# For a key that is used from more networks than this, one more is not unusual.
MAX_KNOWN_NETWORKS = 10
# New networks reported per key and run.
MAX_NETWORK_ALERTS = 3
# At least 50 and half of the requests within two hours: a program that continues although it is rejected.
REFUSALS_MIN = 50
REFUSALS_SHARE = 0.5
# Some programs check whether an object exists and get 404 regularly.
REFUSALS_USUAL_SHARE = 0.25
# Keys whose baseline is computed in one run; the others follow a minute later.
LEARN_BATCH = 200


@dataclass(frozen=True, slots=True)
class Anomaly:
    """Unusual use: its pattern, a mark that distinguishes occurrences, the reason as a sentence, and the evidence."""

    pattern: str
    occurrence: str
    reason: str
    evidence: dict[str, Any]


# The periodic job api_keys.detect_unusual_use (apps.py).
def detect_unusual_use(now: datetime | None = None) -> int:
    """Compare the last two hours of each key with its baseline, and return the number of new alerts."""
    now = now or timezone.now()
    recent = usage_baseline.recent_use(now)
    keys = _keys(_candidates(recent, now), now)
    unchecked_addresses = usage_baseline.store_baselines(
        [key for key in keys if usage_baseline.is_stale(baseline_of(key), now)][:LEARN_BATCH], now
    )
    # A day-old baseline is good enough to rule out a key, but not to raise an alert.
    over_rate = [key for key in keys if _exceeds_usual_rate(baseline_of(key), recent[key.pk])]
    unchecked_addresses |= usage_baseline.store_baselines(
        [key for key in over_rate if usage_baseline.is_stale(baseline_of(key), now, usage_baseline.HOUR)], now
    )
    return sum(_examine(key, recent[key.pk], unchecked_addresses.get(key.pk, Counter()), now) for key in keys)


def _candidates(recent: Mapping[uuid.UUID, RecentUse], now: datetime) -> list[uuid.UUID]:
    """Return the keys to examine: those that deviate from their stored baseline, and a sample of stale ones."""
    known = usage_baseline.baselines(list(recent))
    stale = [key for key in recent if usage_baseline.is_stale(known.get(key), now)]
    deviating = {key for key, use in recent.items() if _is_suspicious(known.get(key), use)}
    # Random, not the first ones: disabled keys among them are never learned and would block the others.
    sample = random.sample(stale, min(len(stale), 2 * LEARN_BATCH))
    return list(deviating.union(sample))


def _is_suspicious(baseline: KeyHabit | None, recent: RecentUse) -> bool:
    return (
        _is_burst(recent)
        or (baseline is not None and _exceeds_usual_rate(baseline, recent))
        or _has_new_network(baseline, recent)
    )


def _keys(ids: list[uuid.UUID], now: datetime) -> list[ApiKey]:
    rows = ApiKey.objects.filter(unrestricted(now)).select_related("key_type", "habit")
    return [key for chunk in usage_baseline.chunks(ids) for key in rows.filter(pk__in=chunk)]


def _examine(key: ApiKey, recent: RecentUse, unchecked_addresses: Counter[str], now: datetime) -> int:
    new = _new_networks(baseline_of(key), recent.by_address + unchecked_addresses)
    anomalies = [
        *_rate_findings(key, recent, now),
        *_refusal_findings(key, recent, now),
        *_network_findings(key, new, now),
    ]
    alerts = sum(_alert(key, anomaly) for anomaly in anomalies)
    if new:
        usage_baseline.add_known_networks(key, new)
    return alerts


@transaction.atomic
def _alert(key: ApiKey, anomaly: Anomaly) -> bool:
    kind, topic = f"api_key.unusual_{anomaly.pattern}", f"{posting.UNUSUAL}:{anomaly.pattern}:{anomaly.occurrence}"
    if not posting.post(key, kind, topic, severity=Severity.WARN, params=anomaly.evidence):
        return False
    facts = {"pattern": anomaly.pattern, "reason": anomaly.reason, **anomaly.evidence}
    posting.publish(key, "api_key.unusual_use", facts)
    return True


def _has_history(baseline: KeyHabit | None, calls: int, now: datetime) -> bool:
    first = baseline.first_hour if baseline else None
    return baseline is not None and first is not None and first <= now - MIN_HISTORY and baseline.calls >= calls


def _most_used(addresses: Mapping[str, int]) -> str | None:
    named = Counter({address: calls for address, calls in addresses.items() if network_of(address)})
    return named.most_common(1)[0][0] if named else None


def _exceeds_usual_rate(baseline: KeyHabit | None, recent: RecentUse) -> bool:
    busiest = baseline.busiest_hour if baseline else 0
    return max(recent.by_hour.values()) >= max(RATE_MIN_CALLS, RATE_FACTOR * busiest)


def _rate_findings(key: ApiKey, recent: RecentUse, now: datetime) -> Iterator[Anomaly]:
    baseline = baseline_of(key)
    if (
        baseline is None
        or not _exceeds_usual_rate(baseline, recent)
        or not _has_history(baseline, RATE_MIN_HISTORY_CALLS, now)
    ):
        return
    hour, calls = recent.by_hour.most_common(1)[0]
    evidence = {
        "calls": calls,
        "hour": format_timestamp(hour),
        "busiest_hour": baseline.busiest_hour,
        "address": _most_used(recent.by_address),
    }
    reason = f"{calls} calls in one hour; never more than {baseline.busiest_hour} in the four weeks before"
    yield Anomaly("rate", f"{hour:%Y-%m-%d}", reason, evidence)


def _is_burst(recent: RecentUse) -> bool:
    return recent.refused >= max(REFUSALS_MIN, REFUSALS_SHARE * recent.calls)


def _refusal_findings(key: ApiKey, recent: RecentUse, now: datetime) -> Iterator[Anomaly]:
    refused, calls, baseline = recent.refused, recent.calls, baseline_of(key)
    if not _is_burst(recent):
        return
    usual = baseline.refused / baseline.calls if baseline and _has_history(baseline, REFUSALS_MIN, now) else 0.0
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
    yield Anomaly("refusals", f"{since:%Y-%m-%d}", f"{refused} of {calls} calls were refused", evidence)


def _has_new_network(baseline: KeyHabit | None, recent: RecentUse) -> bool:
    return bool(_new_networks(baseline, recent.by_address))


def _new_networks(baseline: KeyHabit | None, addresses: Mapping[str, int]) -> dict[str, str]:
    """Return the networks that are not in the baseline, each with one of its addresses."""
    known = set(baseline.networks) if baseline else set()
    found: dict[str, str] = {}
    for address in sorted(addresses) if baseline else ():
        network = network_of(address)
        if network is not None and network not in known:
            found.setdefault(network, address)
    return found


def _network_findings(key: ApiKey, new: dict[str, str], now: datetime) -> Iterator[Anomaly]:
    """Report new networks, except those on the key's allowlist; also if their requests were rejected."""
    baseline = baseline_of(key)
    if baseline is None or not baseline.networks or len(baseline.networks) > MAX_KNOWN_NETWORKS:
        return
    if not _has_history(baseline, NETWORK_MIN_HISTORY_CALLS, now):
        return
    surprising = {net: address for net, address in new.items() if not is_allowed(address, key.allowed_networks)}
    known = baseline.networks[-3:]
    for network, address in list(surprising.items())[:MAX_NETWORK_ALERTS]:
        evidence = {"network": network, "address": address, "known_networks": known}
        yield Anomaly("network", network, f"First call from the network {network}", evidence)

"""Record outcomes: the next state of deliveries, their attempts, and the health of endpoints."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import DatabaseError, DataError, IntegrityError, connection

from apps.webhooks.engine import claims, endpoint_health
from apps.webhooks.engine.claims import ClaimedDelivery, Result
from apps.webhooks.engine.crash_points import CRASH_AT, crash
from apps.webhooks.engine.network_watch import NetworkWatch, is_unreached
from apps.webhooks.engine.outcomes import Outcome
from apps.webhooks.engine.retry_schedule import retry_delay, with_jitter
from apps.webhooks.models import DeliveryStatus
from apps.webhooks.stats import counters

logger = logging.getLogger(__name__)

# Doubled with each uncounted attempt.
MIN_NO_NETWORK_WAIT_SECONDS, MAX_NO_NETWORK_WAIT_SECONDS = 30.0, 600.0
CANNOT_DECRYPT = "cannot_decrypt"
CANNOT_DECRYPT_WAIT_SECONDS = 300.0


@dataclass(slots=True)
class FinishedAttempt:
    """A finished attempt, with the request headers as sent, masked."""

    claimed: ClaimedDelivery
    outcome: Outcome
    headers: dict[str, str]


@dataclass(slots=True)
class Counts:
    """The number of attempts that this process recorded since its start, by result."""

    succeeded: int = 0
    failed: int = 0
    exhausted: int = 0
    uncounted: int = 0
    lease_conflicts: int = 0


class Recorder:
    """Records batches of outcomes; used by one thread."""

    def __init__(self) -> None:
        self.counts = Counts()
        self._network = NetworkWatch(endpoint_health.responded_recently)

    def record(self, batch: list[FinishedAttempt]) -> None:
        """Store the results of a batch; results whose lease has passed to another worker are only counted."""
        for attempt in batch:
            self._network.add(attempt.claimed.endpoint.url, attempt.claimed.endpoint.id, attempt.outcome)
        has_network = not self._network.is_down()
        results = [(attempt, _result(attempt, has_network)) for attempt in batch]
        if CRASH_AT == "before_record":
            crash()
        finished = _finish([result for _ended, result in results])
        if CRASH_AT == "after_record":
            crash()
        recorded = [pair for pair in results if pair[1].claimed.id in finished]
        self.counts.lease_conflicts += len(results) - len(recorded)
        self._count([result for _ended, result in recorded])
        counters.count_attempts([result for _ended, result in recorded], len(results) - len(recorded))
        self._update_health(recorded)

    def _update_health(self, recorded: list[tuple[FinishedAttempt, Result]]) -> None:
        """Update endpoint health; only log an error, as the attempts are recorded and later ones update the health."""
        try:
            endpoint_health.update_health(endpoint_health.tally_attempts(_counted_attempts(recorded)))
        except DatabaseError:
            logger.exception("the health of endpoints could not be written")
            connection.close()

    def _count(self, results: Iterable[Result]) -> None:
        for result in results:
            self.counts.uncounted += result.uncounted
            self.counts.succeeded += result.status == DeliveryStatus.SUCCEEDED
            self.counts.exhausted += result.status == DeliveryStatus.EXHAUSTED
            self.counts.failed += bool(result.error) and not result.uncounted


def _counted_attempts(recorded: list[tuple[FinishedAttempt, Result]]) -> list[tuple[Any, ...]]:
    attempts = []
    for attempt, result in recorded:
        endpoint = attempt.claimed.endpoint
        if not attempt.claimed.test and not result.uncounted:
            target = endpoint_health.AttemptTarget(endpoint.id, endpoint.url)
            is_exhausted = result.status == DeliveryStatus.EXHAUSTED
            attempts.append((target, not result.error, is_exhausted, attempt.outcome.gone))
    return attempts


def _result(attempt: FinishedAttempt, has_network: bool) -> Result:
    claimed, outcome = attempt.claimed, attempt.outcome
    status, wait, reason, uncounted = _next_state(claimed, outcome, has_network)
    return Result(
        claimed=claimed,
        status=status,
        wait_seconds=wait,
        reason=reason,
        uncounted=uncounted,
        status_code=outcome.status_code,
        error=outcome.error or "",
        hint=outcome.hint,
        address=outcome.address or "",
        duration_ms=None if outcome.refused else outcome.duration_ms,
        timings_ms=dict(outcome.timings_ms),
        request_headers=attempt.headers,
        response_headers=outcome.response_headers,
        response_body=outcome.response_body,
        truncated=outcome.truncated,
    )


def _next_state(claimed: ClaimedDelivery, outcome: Outcome, has_network: bool) -> tuple[str, float | None, str, int]:
    """Return status, wait in seconds, reason of the wait, and 1 if the cause was on this side, so it does not count."""
    if outcome.error is None:
        return DeliveryStatus.SUCCEEDED, None, "", 0
    if outcome.error == "shutdown":
        wait: float | None = with_jitter(CANNOT_DECRYPT_WAIT_SECONDS) if outcome.hint == CANNOT_DECRYPT else 0.0
        return DeliveryStatus.PENDING, wait, "shutdown", 1
    if claimed.test:
        return DeliveryStatus.EXHAUSTED, None, "", 0
    if is_unreached(outcome) and not has_network:
        return DeliveryStatus.PENDING, with_jitter(_no_network_wait(claimed.uncounted)), "no_network", 1
    wait = retry_delay(claimed.counted_attempts, settings.WEBHOOK_RETRY_SCHEDULE, outcome.retry_after)
    if wait is None:
        return DeliveryStatus.EXHAUSTED, None, "", 0
    is_retry_after = outcome.retry_after is not None and wait <= outcome.retry_after
    return DeliveryStatus.PENDING, wait, "retry_after" if is_retry_after else "retry", 0


def _no_network_wait(uncounted: int) -> float:
    return min(MIN_NO_NETWORK_WAIT_SECONDS * 2.0 ** min(uncounted, 10), MAX_NO_NETWORK_WAIT_SECONDS)


def _finish(results: list[Result]) -> set[Any]:
    try:
        return claims.finish(results)
    except (DataError, IntegrityError):
        # One result that the database rejects must not prevent the others from being stored.
        logger.exception("a batch of %d results was refused; writing them one by one", len(results))
        return set().union(*(_finish_one(result) for result in results))


def _finish_one(result: Result) -> set[Any]:
    try:
        return claims.finish([result])
    except (DataError, IntegrityError):
        logger.exception("the record of delivery %s was refused; kept without what came back", result.claimed.id)
        result.response_headers, result.response_body, result.request_headers = [], "", {}
        return claims.finish([result])

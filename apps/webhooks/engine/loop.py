"""The delivery engine: claim due deliveries, send them and record the outcomes.

The sending thread never uses the database. A second thread, the database loop, claims and records on its own database
connection. It claims more deliveries while earlier requests are in flight, and no transaction is open during a request.
"""

import logging
import math
import threading
import time
from collections import deque
from dataclasses import asdict

from django.db import connections

from apps.base.crypto.encrypted_fields import CannotDecrypt
from apps.webhooks.engine import claims, wakeup
from apps.webhooks.engine.claims import ClaimedDelivery
from apps.webhooks.engine.concurrency_slots import MAX_ENDPOINT_SHARE, ConcurrencySlots
from apps.webhooks.engine.crash_points import CRASH_AT, LEASE_MARGIN_SECONDS, crash
from apps.webhooks.engine.messages import build_request, masked_headers
from apps.webhooks.engine.outcomes import Outcome
from apps.webhooks.engine.recording import CANNOT_DECRYPT, FinishedAttempt, Recorder
from apps.webhooks.engine.sender import Sender
from apps.webhooks.engine.test_inbox import inbox_outcome, is_inbox

logger = logging.getLogger(__name__)

MAX_IN_FLIGHT = 320
# Deliveries to claim beyond the free slots, so that the sender has work during the next claim: twice the size of the
# last recorded batch, and none if no batch was recorded recently.
MAX_CLAIMED_AHEAD = 320
RECENT_BATCH_SECONDS = 0.25
# Claims smaller than this are delayed, so that they become fewer and larger.
MIN_CLAIM_SIZE, SMALL_CLAIM_WAIT_SECONDS = 64, 0.05
# How often the sending thread checks whether it should stop.
STOP_CHECK_SECONDS = 0.2
RECORD_EVERY_SECONDS = 0.05
POLL_SECONDS = 0.08
MIN_BLOCKED_SECONDS, MAX_BLOCKED_SECONDS = 0.01, 1.0
MIN_PAUSE_SECONDS, MAX_PAUSE_SECONDS = 0.2, 5.0
# Container runtimes send SIGKILL ten seconds after SIGTERM.
GRACE_SECONDS = 8.0
MAX_FINAL_RETRIES = 5
FOREVER_SECONDS = 3600.0


class Engine:
    """Delivers due deliveries until ``stop`` is called; ``wake`` and ``stop`` can be called from any thread."""

    def __init__(
        self,
        worker_id: str = "",
        stop_event: threading.Event | None = None,
        *,
        sender: Sender | None = None,
        poll_seconds: float = POLL_SECONDS,
        grace_seconds: float = GRACE_SECONDS,
    ) -> None:
        self.worker_id = worker_id
        self.recorder = Recorder()
        self._stop = stop_event or threading.Event()
        self._sender = sender or Sender(max_in_flight=MAX_IN_FLIGHT)
        self._poll_seconds = poll_seconds
        self._grace_seconds = grace_seconds
        self._slots = ConcurrencySlots(self._sender.max_in_flight)
        self._unrecorded: deque[FinishedAttempt] = deque()
        self._sent_headers: dict[ClaimedDelivery, dict[str, str]] = {}
        self._database_event = threading.Event()
        self._sending_is_over = threading.Event()
        self._stops_when_idle = False
        # Used by the database loop only, except ``_is_woken``. Times are from time.monotonic.
        self._is_woken = True
        self._next_claim_due = 0.0
        self._claimed_at = 0.0
        self._last_batch = 0
        self._recorded_at = 0.0
        self._rate_limited_until = 0.0
        self._blocked_seconds = MIN_BLOCKED_SECONDS
        self._last_claim = 0
        self._was_last_claim_partial = False

    # Called by the worker

    def run_forever(self) -> None:
        """Deliver until ``stop``; then wait for requests in flight, release the other deliveries and return."""
        database_loop = threading.Thread(target=self._run_database_loop, name="delivery-database", daemon=True)
        wakeup.listen(self.wake)
        database_loop.start()
        try:
            self._send_until_stopped()
            self._finish_in_flight()
        finally:
            wakeup.stop_listening(self.wake)
            self._sending_is_over.set()
            self._database_event.set()
            database_loop.join()
            self._sender.close()

    def run_until_idle(self) -> dict[str, int]:
        """Deliver everything that is due now, stop, and return the recorder's counts by name."""
        self._stops_when_idle = True
        self.run_forever()
        return asdict(self.recorder.counts)

    def wake(self) -> None:
        """Query for due deliveries now instead of at the next poll."""
        self._is_woken = True
        self._database_event.set()

    def stop(self) -> None:
        """Stop gracefully: claim nothing more and let requests in flight finish."""
        self._stop.set()
        self._database_event.set()
        self._sender.wake()

    # Sending thread

    def _send_until_stopped(self) -> None:
        while not self._stop.is_set():
            self._submit_claimed()
            self._queue_finished(self._sender.poll(STOP_CHECK_SECONDS))
            if CRASH_AT == "in_flight" and self._sender.in_flight:
                crash()

    def _submit_claimed(self) -> None:
        """Send claimed deliveries while there are free slots."""
        for claimed_at, claimed in self._slots.pop_startable():
            waited = time.monotonic() - claimed_at
            # The lease must outlast the request, so a delivery that waited too long is released without sending it.
            if waited > LEASE_MARGIN_SECONDS / 3:
                self._queue_finished([Outcome(claimed, error="shutdown", hint="not_sent")])
            else:
                self._submit(claimed, int(claimed.started_at + waited))

    def _submit(self, claimed: ClaimedDelivery, timestamp: int) -> None:
        """Send a delivery, signed with the database's time, as this machine's clock can be wrong."""
        try:
            request = build_request(claimed, timestamp)
        except CannotDecrypt:
            logger.error("the secret or headers of endpoint %s do not open", claimed.endpoint.id)
            self._queue_finished([Outcome(claimed, error="shutdown", hint=CANNOT_DECRYPT)])
            return
        if CRASH_AT == "before_send":
            crash()
        self._sent_headers[claimed] = masked_headers(request)
        if is_inbox(request.url):
            self._queue_finished([inbox_outcome(claimed)])
        else:
            self._slots.start(claimed)
            self._sender.submit(request)

    def _queue_finished(self, outcomes: list[Outcome]) -> None:
        """Queue finished attempts for the database loop."""
        if not outcomes:
            return
        if CRASH_AT == "after_response":
            crash()
        for each in outcomes:
            self._slots.release(each.token)
        was_empty = not self._unrecorded
        self._unrecorded.extend(
            FinishedAttempt(each.token, each, self._sent_headers.pop(each.token, {})) for each in outcomes
        )
        if was_empty or self._should_record_now():
            self._database_event.set()

    def _should_record_now(self) -> bool:
        """Return whether many attempts have finished and recording them makes room under the caps of the next claim."""
        return self._was_last_claim_partial and len(self._unrecorded) >= MIN_CLAIM_SIZE

    def _finish_in_flight(self) -> None:
        """Wait for requests in flight until the grace period ends; abort the others, which are due again at once."""
        deadline = time.monotonic() + self._grace_seconds
        self._release_waiting()
        while self._sender.in_flight and time.monotonic() < deadline:
            self._queue_finished(self._sender.poll(0.2))
        self._queue_finished(self._sender.abort_all("shutdown"))
        self._release_waiting()

    def _release_waiting(self) -> None:
        self._queue_finished([Outcome(each, error="shutdown", hint="not_sent") for each in self._slots.pop_waiting()])

    # Database loop: everything that uses the database

    def _run_database_loop(self) -> None:
        """Record and claim in turn; after an error, such as a lost connection, pause and continue."""
        pause = 0.0
        final_retries = MAX_FINAL_RETRIES
        while not (self._sending_is_over.is_set() and (not self._unrecorded or not final_retries)):
            try:
                self._wait_for_work()
                self._record()
                self._claim()
                pause = 0.0
            except Exception:
                logger.exception("the database loop of deliveries failed; trying again")
                connections.close_all()
                pause = min(max(MIN_PAUSE_SECONDS, pause * 2), MAX_PAUSE_SECONDS)
                final_retries -= self._sending_is_over.is_set()
                time.sleep(pause)
        # A claim may have finished after the sending thread released the waiting deliveries.
        if self._slots.has_waiting:
            self._release_waiting()
            self._record()
        connections.close_all()

    def _wait_for_work(self) -> None:
        now = time.monotonic()
        until = min(self._next_claim_at(self._free_slots()), now + FOREVER_SECONDS)
        if self._unrecorded:
            until = min(until, now if self._should_record_now() else self._recorded_at + RECORD_EVERY_SECONDS)
        if until > now and not self._sending_is_over.is_set():
            self._database_event.wait(until - now)
        self._database_event.clear()

    def _record(self) -> None:
        batch = [self._unrecorded.popleft() for _ in range(len(self._unrecorded))]
        if not batch:
            return
        try:
            self.recorder.record(batch)
        except Exception:
            self._unrecorded.extendleft(reversed(batch))
            raise
        self._recorded_at = time.monotonic()
        self._last_batch = len(batch)
        if self._last_claim:
            # Slots are free again, and the last claim found deliveries, so claim again at once.
            self._next_claim_due = self._recorded_at

    def _free_slots(self) -> int:
        is_recent = time.monotonic() - self._recorded_at < RECENT_BATCH_SECONDS
        ahead = min(MAX_CLAIMED_AHEAD, 2 * self._last_batch) if is_recent else 0
        return self._slots.limit + ahead - len(self._slots)

    def _next_claim_at(self, free_slots: int) -> float:
        """Return the monotonic time of the next claim: now after a wakeup, but later if few slots are free.

        Return infinity if no slot is free or the engine is stopping.
        """
        if free_slots <= 0 or self._stop.is_set():
            return math.inf
        at = 0.0 if self._is_woken else self._next_claim_due
        return at if free_slots >= MIN_CLAIM_SIZE else max(at, self._claimed_at + SMALL_CLAIM_WAIT_SECONDS)

    def _claim(self) -> None:
        now, free_slots = time.monotonic(), self._free_slots()
        if now < self._next_claim_at(free_slots):
            return
        if not self._is_woken and not self._last_claim and self._is_nothing_due(now):
            return
        self._is_woken = False
        slow = self._slots.slow_endpoints()
        claimed = claims.claim(free_slots, MAX_ENDPOINT_SHARE, slow, self._slots.slow_slots_left(slow))
        self._last_claim, self._was_last_claim_partial = len(claimed), len(claimed) < free_slots
        self._claimed_at = now
        if claimed:
            self._slots.add(claimed, now)
            self._sender.wake()
        self._plan_next_claim(claimed, free_slots)

    def _is_nothing_due(self, now: float) -> bool:
        """Return whether no delivery is due, by one cheap query; if so, plan the next claim for the next due time."""
        seconds = claims.next_due_in()
        if seconds is not None and seconds <= 0:
            return False
        self._next_claim_due = now + min(self._poll_seconds, self._poll_seconds if seconds is None else seconds)
        self._stop_if_idle(now)
        return True

    def _plan_next_claim(self, claimed: list[ClaimedDelivery], free_slots: int) -> None:
        now = time.monotonic()
        if len(claimed) >= free_slots:
            self._next_claim_due = now
            return
        if claimed:
            self._blocked_seconds = MIN_BLOCKED_SECONDS
            self._next_claim_due = now + self._poll_seconds
        else:
            # An in-flight cap or a rate limit blocks all due deliveries.
            self._next_claim_due = now + min(self._blocked_seconds, self._poll_seconds)
            self._blocked_seconds = min(self._blocked_seconds * 2, MAX_BLOCKED_SECONDS)
            self._stop_if_idle(now)
        self._plan_rate_limited_claim(claimed, now)

    def _plan_rate_limited_claim(self, claimed: list[ClaimedDelivery], now: float) -> None:
        """Plan the next claim for the time at which a rate limit allows the next delivery."""
        rates = [each.endpoint.rate for each in claimed if each.endpoint.rate]
        if rates:
            self._next_claim_due = min(self._next_claim_due, now + max(0.01, 1 / max(rates)))
            self._rate_limited_until = now + 2 / min(rates)

    def _stop_if_idle(self, now: float) -> None:
        is_busy = self._slots or self._unrecorded or self._sender.in_flight or now < self._rate_limited_until
        if self._stops_when_idle and not is_busy:
            self.stop()

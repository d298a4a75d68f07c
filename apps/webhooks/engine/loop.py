"""The delivery engine: a loop that claims due deliveries, sends them and records the outcomes.

One thread sends and never touches the database; a second one, the database loop, claims and records on its own
connection. Claims continue while earlier requests are in flight, and no transaction is open during a request.
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
# Claimed beyond the free slots, so that the sender does not run dry during a claim: twice the size of the last recorded
# batch, and nothing while no outcomes arrive.
MAX_CLAIMED_AHEAD = 320
RECENT_BATCH_SECONDS = 0.25
# Claims smaller than this are delayed, so that they become fewer and larger.
MIN_CLAIM, SMALL_CLAIM_WAIT_SECONDS = 64, 0.05
# How often the sending thread checks whether it should stop.
SEND_SECONDS = 0.2
FLUSH_SECONDS = 0.05
POLL_SECONDS = 0.08
MIN_BLOCKED_SECONDS, MAX_BLOCKED_SECONDS = 0.01, 1.0
MIN_PAUSE_SECONDS, MAX_PAUSE_SECONDS = 0.2, 5.0
# Container runtimes send SIGKILL ten seconds after SIGTERM.
GRACE_SECONDS = 8.0
MAX_FINAL_RETRIES = 5
FOREVER_SECONDS = 3600.0


class Engine:
    """Delivers what is due until ``stop``. ``wake`` and ``stop`` can be called from any thread."""

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
        self._outbox: deque[FinishedAttempt] = deque()
        self._sent_headers: dict[ClaimedDelivery, dict[str, str]] = {}
        self._database_event = threading.Event()
        self._sending_is_over = threading.Event()
        self._is_draining = False
        # Used by the database loop only, except ``_is_woken``. Times are from time.monotonic.
        self._is_woken = True
        self._claim_at = 0.0
        self._claimed_at = 0.0
        self._last_batch = 0
        self._flushed_at = 0.0
        self._paced_until = 0.0
        self._blocked_seconds = MIN_BLOCKED_SECONDS
        self._last_claim = 0
        self._was_short = False

    # Called by the worker

    def run_forever(self) -> None:
        """Deliver until ``stop``; then wait for requests in flight, release the other deliveries and return."""
        database_loop = threading.Thread(target=self._run_database_loop, name="delivery-desk", daemon=True)
        wakeup.listen(self.wake)
        database_loop.start()
        try:
            self._send_until_stopped()
            self._drain_in_flight()
        finally:
            wakeup.stop_listening(self.wake)
            self._sending_is_over.set()
            self._database_event.set()
            database_loop.join()
            self._sender.close()

    def run_until_idle(self) -> dict[str, int]:
        """Deliver everything that is due now, stop, and return the recorder's counts by name."""
        self._is_draining = True
        self.run_forever()
        return asdict(self.recorder.counts)

    def wake(self) -> None:
        """Look for due deliveries now instead of at the next poll."""
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
            self._hand_over(self._sender.poll(SEND_SECONDS))
            if CRASH_AT == "in_flight" and self._sender.in_flight:
                crash()

    def _submit_claimed(self) -> None:
        """Send claimed deliveries while there are free slots."""
        for claimed_at, claimed in self._slots.pop_startable():
            waited = time.monotonic() - claimed_at
            # The lease must outlast the request: a delivery that waited too long is released unsent.
            if waited > LEASE_MARGIN_SECONDS / 3:
                self._hand_over([Outcome(claimed, error="shutdown", hint="not_sent")])
            else:
                self._submit(claimed, int(claimed.started_at + waited))

    def _submit(self, claimed: ClaimedDelivery, timestamp: int) -> None:
        """Send a delivery, signed with the database's time: this machine's clock can be wrong."""
        try:
            request = build_request(claimed, timestamp)
        except CannotDecrypt:
            logger.error("the secret or headers of endpoint %s do not open", claimed.endpoint.id)
            self._hand_over([Outcome(claimed, error="shutdown", hint=CANNOT_DECRYPT)])
            return
        if CRASH_AT == "before_send":
            crash()
        self._sent_headers[claimed] = masked_headers(request)
        if is_inbox(request.url):
            self._hand_over([inbox_outcome(claimed)])
        else:
            self._slots.start(claimed)
            self._sender.submit(request)

    def _hand_over(self, outcomes: list[Outcome]) -> None:
        """Queue finished attempts for the database loop."""
        if not outcomes:
            return
        if CRASH_AT == "after_response":
            crash()
        for each in outcomes:
            self._slots.release(each.token)
        was_empty = not self._outbox
        self._outbox.extend(
            FinishedAttempt(each.token, each, self._sent_headers.pop(each.token, {})) for each in outcomes
        )
        if was_empty or self._is_worth_recording():
            self._database_event.set()

    def _is_worth_recording(self) -> bool:
        """Return whether to record now: many attempts finished and the last claim was cut short by in-flight caps."""
        return self._was_short and len(self._outbox) >= MIN_CLAIM

    def _drain_in_flight(self) -> None:
        """Wait for requests in flight until the grace period ends, then abort the rest, due again at once."""
        deadline = time.monotonic() + self._grace_seconds
        self._give_back_waiting()
        while self._sender.in_flight and time.monotonic() < deadline:
            self._hand_over(self._sender.poll(0.2))
        self._hand_over(self._sender.abort_all("shutdown"))
        self._give_back_waiting()

    def _give_back_waiting(self) -> None:
        self._hand_over([Outcome(each, error="shutdown", hint="not_sent") for each in self._slots.pop_waiting()])

    # Database loop: everything that touches the database

    def _run_database_loop(self) -> None:
        """Record and claim in turn. Errors such as a lost database are retried until the engine stops."""
        pause = 0.0
        final_retries = MAX_FINAL_RETRIES
        while not (self._sending_is_over.is_set() and (not self._outbox or not final_retries)):
            try:
                self._wait_for_work()
                self._record()
                self._claim()
                pause = 0.0
            except Exception:
                logger.exception("the delivery desk failed; trying again")
                connections.close_all()
                pause = min(max(MIN_PAUSE_SECONDS, pause * 2), MAX_PAUSE_SECONDS)
                final_retries -= self._sending_is_over.is_set()
                time.sleep(pause)
        # A claim that finished while the sender was already stopping.
        if self._slots.has_waiting:
            self._give_back_waiting()
            self._record()
        connections.close_all()

    def _wait_for_work(self) -> None:
        now = time.monotonic()
        until = min(self._next_claim_at(self._free_slots()), now + FOREVER_SECONDS)
        if self._outbox:
            until = min(until, now if self._is_worth_recording() else self._flushed_at + FLUSH_SECONDS)
        if until > now and not self._sending_is_over.is_set():
            self._database_event.wait(until - now)
        self._database_event.clear()

    def _record(self) -> None:
        batch = [self._outbox.popleft() for _ in range(len(self._outbox))]
        if not batch:
            return
        try:
            self.recorder.record(batch)
        except Exception:
            self._outbox.extendleft(reversed(batch))
            raise
        self._flushed_at = time.monotonic()
        self._last_batch = len(batch)
        if self._last_claim:
            # Slots became free, and the last claim found something: claim again at once.
            self._claim_at = self._flushed_at

    def _free_slots(self) -> int:
        is_recent = time.monotonic() - self._flushed_at < RECENT_BATCH_SECONDS
        ahead = min(MAX_CLAIMED_AHEAD, 2 * self._last_batch) if is_recent else 0
        return self._slots.limit + ahead - len(self._slots)

    def _next_claim_at(self, free_slots: int) -> float:
        """Return the monotonic time of the next claim: now after a wakeup, but a small claim waits a little.

        Infinity without a free slot and once the engine stops.
        """
        if free_slots <= 0 or self._stop.is_set():
            return math.inf
        at = 0.0 if self._is_woken else self._claim_at
        return at if free_slots >= MIN_CLAIM else max(at, self._claimed_at + SMALL_CLAIM_WAIT_SECONDS)

    def _claim(self) -> None:
        now, free_slots = time.monotonic(), self._free_slots()
        if now < self._next_claim_at(free_slots):
            return
        if not self._is_woken and not self._last_claim and self._is_nothing_due(now):
            return
        self._is_woken = False
        slow = self._slots.slow_endpoints()
        claimed = claims.claim(free_slots, MAX_ENDPOINT_SHARE, slow, self._slots.slow_slots_left(slow))
        self._last_claim, self._was_short = len(claimed), len(claimed) < free_slots
        self._claimed_at = now
        if claimed:
            self._slots.add(claimed, now)
            self._sender.wake()
        self._plan_next_claim(claimed, free_slots)

    def _is_nothing_due(self, now: float) -> bool:
        """Check with one cheap query whether anything is due; if not, plan the next claim for when it will be."""
        seconds = claims.next_due_in()
        if seconds is not None and seconds <= 0:
            return False
        self._claim_at = now + min(self._poll_seconds, self._poll_seconds if seconds is None else seconds)
        self._stop_if_drained(now)
        return True

    def _plan_next_claim(self, claimed: list[ClaimedDelivery], free_slots: int) -> None:
        now = time.monotonic()
        if len(claimed) >= free_slots:
            self._claim_at = now
            return
        if claimed:
            self._blocked_seconds = MIN_BLOCKED_SECONDS
            self._claim_at = now + self._poll_seconds
        else:
            # What is due has to wait for an in-flight cap or a rate limit.
            self._claim_at = now + min(self._blocked_seconds, self._poll_seconds)
            self._blocked_seconds = min(self._blocked_seconds * 2, MAX_BLOCKED_SECONDS)
            self._stop_if_drained(now)
        self._plan_rate_limited_claim(claimed, now)

    def _plan_rate_limited_claim(self, claimed: list[ClaimedDelivery], now: float) -> None:
        """Plan the next claim for when a rate-limited endpoint can be sent its next delivery."""
        rates = [each.endpoint.rate for each in claimed if each.endpoint.rate]
        if rates:
            self._claim_at = min(self._claim_at, now + max(0.01, 1 / max(rates)))
            self._paced_until = now + 2 / min(rates)

    def _stop_if_drained(self, now: float) -> None:
        is_busy = self._slots or self._outbox or self._sender.in_flight or now < self._paced_until
        if self._is_draining and not is_busy:
            self.stop()

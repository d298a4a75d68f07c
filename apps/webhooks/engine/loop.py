"""The delivery engine: claim → send → record, without end.

One thread sends and never touches the database; a helper thread, the desk, claims and records on its own connection.
Claims go on while earlier requests fly, and no transaction is open while anything is on the wire.
"""

import logging
import threading
import time
from collections import deque
from dataclasses import asdict

from django.db import connections

from apps.base.crypto.encrypted_fields import CannotDecrypt
from apps.webhooks.engine import claims, wakeup
from apps.webhooks.engine.claims import ClaimedDelivery
from apps.webhooks.engine.concurrency_slots import MAX_ENDPOINT_SHARE, ConcurrencySlots
from apps.webhooks.engine.crash_points import lease_margin, reach
from apps.webhooks.engine.messages import build_request, masked_headers
from apps.webhooks.engine.outcomes import Outcome
from apps.webhooks.engine.recording import CANNOT_DECRYPT, FinishedAttempt, Recorder
from apps.webhooks.engine.sender import Sender
from apps.webhooks.engine.test_inbox import inbox_outcome, is_inbox

logger = logging.getLogger(__name__)

MAX_IN_FLIGHT = 320
# Claimed ahead of the free places, so that the sender does not run dry during a claim: twice what came back last, and
# nothing while nothing comes back.
MOST_CLAIMED_AHEAD = 320
CAME_BACK_SECONDS = 0.25
# Smaller ones wait for each other, this long.
SMALLEST_CLAIM, SMALL_CLAIM_SECONDS = 64, 0.05
# The longest the sending thread waits before it looks at the stop again.
SEND_SECONDS = 0.2
FLUSH_SECONDS = 0.05
POLL_SECONDS = 0.08
SHORTEST_BLOCKED_SECONDS, LONGEST_BLOCKED_SECONDS = 0.01, 1.0
SHORTEST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.2, 5.0
# Container runtimes kill ten seconds after SIGTERM.
GRACE_SECONDS = 8.0
LAST_TRIES = 5
FOREVER_SECONDS = 3600.0


class Engine:
    """Delivers what is due until it is told to stop. ``wake`` and ``stop`` may be called from any thread."""

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
        self._places = ConcurrencySlots(self._sender.max_in_flight)
        self._outbox: deque[FinishedAttempt] = deque()
        self._sent_headers: dict[ClaimedDelivery, dict[str, str]] = {}
        self._desk_event = threading.Event()
        self._sending_is_over = threading.Event()
        self._is_draining = False
        # Read and written by the desk alone, times from time.monotonic; ``_is_rung`` apart.
        self._is_rung = True
        self._claim_at = 0.0
        self._claimed_at = 0.0
        self._came_back = 0
        self._flushed_at = 0.0
        self._paced_until = 0.0
        self._blocked_seconds = SHORTEST_BLOCKED_SECONDS
        self._last_claim = 0
        self._was_short = False

    # From outside

    def run_forever(self) -> None:
        """Deliver until ``stop``; then it waits for what is in flight, gives back the rest and returns."""
        desk = threading.Thread(target=self._run_desk, name="delivery-desk", daemon=True)
        wakeup.listen(self.wake)
        desk.start()
        try:
            self._send_until_stopped()
            self._land_what_flies()
        finally:
            wakeup.stop_listening(self.wake)
            self._sending_is_over.set()
            self._desk_event.set()
            desk.join()
            self._sender.close()

    def drain(self) -> dict[str, int]:
        """Deliver everything that is due now, stop, and return what was done."""
        self._is_draining = True
        self.run_forever()
        return asdict(self.recorder.counts)

    def wake(self) -> None:
        """Make the engine look for due deliveries now (the bell)."""
        self._is_rung = True
        self._desk_event.set()

    def stop(self) -> None:
        """End the engine gracefully: nothing is claimed any more."""
        self._stop.set()
        self._desk_event.set()
        self._sender.wake()

    # The sending thread

    def _send_until_stopped(self) -> None:
        while not self._stop.is_set():
            self._submit_claimed()
            self._take(self._sender.poll(SEND_SECONDS))
            if self._sender.in_flight:
                reach("in_flight")

    def _submit_claimed(self) -> None:
        """Start what was claimed, as far as there are places."""
        for claimed_at, claimed in self._places.startable():
            waited = time.monotonic() - claimed_at
            # The lease must outlast the request: what waited too long goes back unsent.
            if waited > lease_margin() / 3:
                self._take([Outcome(claimed, error="shutdown", hint="not_sent")])
            else:
                self._submit(claimed, int(claimed.started_at + waited))

    def _submit(self, claimed: ClaimedDelivery, timestamp: int) -> None:
        """Send it, signed with the database's time: this machine's clock may be wrong, and receivers check."""
        try:
            request = build_request(claimed, timestamp)
        except CannotDecrypt:
            logger.error("the secret or headers of endpoint %s do not open", claimed.receiver.id)
            self._take([Outcome(claimed, error="shutdown", hint=CANNOT_DECRYPT)])
            return
        reach("before_send")
        self._sent_headers[claimed] = masked_headers(request)
        if is_inbox(request.url):
            self._take([inbox_outcome(claimed)])
        else:
            self._places.start(claimed)
            self._sender.submit(request)

    def _take(self, outcomes: list[Outcome]) -> None:
        """Hand what ended to the desk."""
        if not outcomes:
            return
        reach("after_response")
        for each in outcomes:
            self._places.leave(each.token)
        was_empty = not self._outbox
        self._outbox.extend(
            FinishedAttempt(each.token, each, self._sent_headers.pop(each.token, {})) for each in outcomes
        )
        if was_empty or self._is_worth_recording():
            self._desk_event.set()

    def _is_worth_recording(self) -> bool:
        """Tell whether many ended and the last claim came back short: at a host's cap only a record frees places."""
        return self._was_short and len(self._outbox) >= SMALLEST_CLAIM

    def _land_what_flies(self) -> None:
        """After the stop: wait a while for what is in flight, then give back the rest as due at once."""
        deadline = time.monotonic() + self._grace_seconds
        self._give_back_waiting()
        while self._sender.in_flight and time.monotonic() < deadline:
            self._take(self._sender.poll(0.2))
        self._take(self._sender.abort_all("shutdown"))
        self._give_back_waiting()

    def _give_back_waiting(self) -> None:
        self._take([Outcome(each, error="shutdown", hint="not_sent") for each in self._places.take_back()])

    # The desk: everything that touches the database

    def _run_desk(self) -> None:
        """Record and claim in turn. A database that is away is waited for; nothing ends this thread but the stop."""
        pause = 0.0
        last_tries = LAST_TRIES
        while not (self._sending_is_over.is_set() and (not self._outbox or not last_tries)):
            try:
                self._wait_for_work()
                self._record()
                self._claim()
                pause = 0.0
            except Exception:
                logger.exception("the delivery desk failed; trying again")
                connections.close_all()
                pause = min(max(SHORTEST_PAUSE_SECONDS, pause * 2), LONGEST_PAUSE_SECONDS)
                last_tries -= self._sending_is_over.is_set()
                time.sleep(pause)
        # A claim that came back while the sender was already closing.
        if self._places.is_waited_for:
            self._give_back_waiting()
            self._record()
        connections.close_all()

    def _wait_for_work(self) -> None:
        now = time.monotonic()
        until = self._next_claim_at() if self._may_claim() else now + FOREVER_SECONDS
        if self._outbox:
            until = min(until, now if self._is_worth_recording() else self._flushed_at + FLUSH_SECONDS)
        if until > now and not self._sending_is_over.is_set():
            self._desk_event.wait(until - now)
        self._desk_event.clear()

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
        self._came_back = len(batch)
        if self._last_claim:
            # Places became free, and there was more than nothing the last time.
            self._claim_at = self._flushed_at

    def _may_claim(self) -> bool:
        return not self._stop.is_set() and self._room() > 0

    def _room(self) -> int:
        is_lately = time.monotonic() - self._flushed_at < CAME_BACK_SECONDS
        ahead = min(MOST_CLAIMED_AHEAD, 2 * self._came_back) if is_lately else 0
        return self._places.most + ahead - len(self._places)

    def _next_claim_at(self) -> float:
        """Return the moment of the next claim: now at a ring, but small ones wait for each other."""
        at = 0.0 if self._is_rung else self._claim_at
        return at if self._room() >= SMALLEST_CLAIM else max(at, self._claimed_at + SMALL_CLAIM_SECONDS)

    def _claim(self) -> None:
        now = time.monotonic()
        if not self._may_claim() or now < self._next_claim_at():
            return
        if not self._is_rung and not self._last_claim and self._is_nothing_due(now):
            return
        self._is_rung = False
        room, slow = self._room(), self._places.slow()
        claimed = claims.claim(room, MAX_ENDPOINT_SHARE, slow, self._places.left_for_slow(slow))
        self._last_claim, self._was_short = len(claimed), len(claimed) < room
        self._claimed_at = now
        if claimed:
            self._places.add(claimed, now)
            self._sender.wake()
        self._plan_next_claim(claimed, room)

    def _is_nothing_due(self, now: float) -> bool:
        """Look with one cheap query; where nothing is due yet, come back when it will be."""
        seconds = claims.next_due_in()
        if seconds is not None and seconds <= 0:
            return False
        self._claim_at = now + min(self._poll_seconds, self._poll_seconds if seconds is None else seconds)
        self._end_drain(now)
        return True

    def _plan_next_claim(self, claimed: list[ClaimedDelivery], room: int) -> None:
        now = time.monotonic()
        if len(claimed) >= room:
            self._claim_at = now
            return
        if claimed:
            self._blocked_seconds = SHORTEST_BLOCKED_SECONDS
            self._claim_at = now + self._poll_seconds
        else:
            # Nothing is due, or what is due has to wait for a place or its pace; the look before the claim tells.
            self._claim_at = now + min(self._blocked_seconds, self._poll_seconds)
            self._blocked_seconds = min(self._blocked_seconds * 2, LONGEST_BLOCKED_SECONDS)
            self._end_drain(now)
        self._keep_pace(claimed, now)

    def _keep_pace(self, claimed: list[ClaimedDelivery], now: float) -> None:
        """Come back when an endpoint with a rate may have its next one."""
        rates = [each.receiver.rate for each in claimed if each.receiver.rate]
        if rates:
            self._claim_at = min(self._claim_at, now + max(0.01, 1 / max(rates)))
            self._paced_until = now + 2 / min(rates)

    def _end_drain(self, now: float) -> None:
        is_busy = self._places or self._outbox or self._sender.in_flight or now < self._paced_until
        if self._is_draining and not is_busy:
            self.stop()

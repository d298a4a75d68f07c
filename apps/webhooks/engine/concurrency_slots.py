"""Share a worker's request slots among endpoints, so that endpoints that hang do not delay the others.

There are two rules. An endpoint always gets its first slot, and further ones only up to a quarter of the free slots:
however many endpoints hang, some slots stay free (dynamic thresholds, Choudhury and Hahne 1998). And slow endpoints
together get at most two fifths of the slots. An endpoint is slow if its last attempts failed (``is_struggling``), or if
this worker has had a request to it in flight for more than a second.
"""

import time
import uuid
from collections import deque
from collections.abc import Iterator

from apps.webhooks.engine.claims import ClaimedDelivery

# The share of the free slots for one endpoint, and of all slots for the slow endpoints together.
MAX_ENDPOINT_SHARE = 0.25
MAX_SLOW_SHARE = 0.4
SLOW_SECONDS = 1.0


class ConcurrencySlots:
    """Deliveries that this worker claimed and that wait for a slot or are in flight.

    The database loop adds deliveries; the sending thread starts and releases them. Methods that the database loop calls
    read a copy of each collection, which is made in one atomic step.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._waiting: deque[tuple[float, ClaimedDelivery]] = deque()
        # By start time, oldest first.
        self._in_flight: dict[ClaimedDelivery, float] = {}
        self._in_flight_by_endpoint: dict[uuid.UUID, int] = {}

    def __len__(self) -> int:
        return len(self._waiting) + len(self._in_flight)

    @property
    def has_waiting(self) -> bool:
        """Whether a claimed delivery still waits for a slot."""
        return bool(self._waiting)

    def add(self, claimed: list[ClaimedDelivery], claimed_at: float) -> None:
        """Queue deliveries that were claimed at a ``time.monotonic`` time."""
        self._waiting.extend((claimed_at, each) for each in claimed)

    def pop_startable(self) -> Iterator[tuple[float, ClaimedDelivery]]:
        """Yield the deliveries that can be sent now, with the time of their claim; the others stay queued in order."""
        for _number in range(len(self._waiting)):
            if len(self._in_flight) >= self.limit:
                return
            each = self._waiting.popleft()
            if self._has_slot(each[1].endpoint.id):
                yield each
            else:
                self._waiting.append(each)

    def _has_slot(self, endpoint_id: uuid.UUID) -> bool:
        held = self._in_flight_by_endpoint.get(endpoint_id, 0)
        return not held or held < MAX_ENDPOINT_SHARE * (self.limit - len(self._in_flight))

    def start(self, claimed: ClaimedDelivery) -> None:
        """Occupy a slot when the request starts."""
        self._in_flight[claimed] = time.monotonic()
        endpoint = claimed.endpoint.id
        self._in_flight_by_endpoint[endpoint] = self._in_flight_by_endpoint.get(endpoint, 0) + 1

    def release(self, claimed: ClaimedDelivery) -> None:
        """Free the slot of a finished delivery, if it had one."""
        if self._in_flight.pop(claimed, None) is None:
            return
        endpoint = claimed.endpoint.id
        self._in_flight_by_endpoint[endpoint] -= 1
        if not self._in_flight_by_endpoint[endpoint]:
            del self._in_flight_by_endpoint[endpoint]

    def pop_waiting(self) -> Iterator[ClaimedDelivery]:
        """Remove and yield the deliveries that wait for a slot."""
        while self._waiting:
            yield self._waiting.popleft()[1]

    def slow_endpoints(self) -> set[uuid.UUID]:
        """Return the endpoints with a request in flight for more than ``SLOW_SECONDS``."""
        before = time.monotonic() - SLOW_SECONDS
        return {each.endpoint.id for each, started in list(self._in_flight.items()) if started < before}

    def slow_slots_left(self, slow: set[uuid.UUID]) -> int:
        """Return how many more deliveries to slow endpoints this worker can claim."""
        held = [*list(self._in_flight), *(each for _at, each in list(self._waiting))]
        slow_count = sum(each.endpoint.is_struggling or each.endpoint.id in slow for each in held)
        return max(0, int(self.limit * MAX_SLOW_SHARE) - slow_count)

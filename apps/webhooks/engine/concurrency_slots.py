"""Whose turn it is on the wire: how a worker shares out its places, so that receivers that hang starve nobody.

Two rules. One endpoint may hold at most a quarter of what is free at the moment, and its first place always: however
many hang, some places stay free for the others (dynamic thresholds, Choudhury and Hahne 1998). And slow endpoints share
two fifths of the places: those whose last attempts failed (the claim tells), and those with a request from here that
has been under way for more than a second.
"""

import time
import uuid
from collections import deque
from collections.abc import Iterator

from apps.webhooks.engine.claims import ClaimedDelivery

# Of the free places, for one endpoint; of all places, for those that are slow together.
MAX_ENDPOINT_SHARE = 0.25
MAX_SLOW_SHARE = 0.4
SLOW_SECONDS = 1.0


class ConcurrencySlots:
    """What this worker holds: claimed and waiting for a place, or on the wire.

    The sending thread moves them; the desk adds what it claimed and asks, from copies that are made in one step.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._waiting: deque[tuple[float, ClaimedDelivery]] = deque()
        # In the order of their start: the longest under way come first.
        self._flying: dict[ClaimedDelivery, float] = {}
        self._of_endpoint: dict[uuid.UUID, int] = {}

    def __len__(self) -> int:
        """How many are held."""
        return len(self._waiting) + len(self._flying)

    @property
    def is_waited_for(self) -> bool:
        """Whether something that was claimed still waits for a place."""
        return bool(self._waiting)

    def add(self, claimed: list[ClaimedDelivery], claimed_at: float) -> None:
        """Take in what was claimed at that moment of ``time.monotonic``."""
        self._waiting.extend((claimed_at, each) for each in claimed)

    def startable(self) -> Iterator[tuple[float, ClaimedDelivery]]:
        """Give what may be sent now, with the moment of its claim; the rest keeps its turn."""
        for _number in range(len(self._waiting)):
            if len(self._flying) >= self.most:
                return
            each = self._waiting.popleft()
            if self._has_place(each[1].receiver.id):
                yield each
            else:
                self._waiting.append(each)

    def _has_place(self, endpoint_id: uuid.UUID) -> bool:
        held = self._of_endpoint.get(endpoint_id, 0)
        return not held or held < MAX_ENDPOINT_SHARE * (self.most - len(self._flying))

    def start(self, claimed: ClaimedDelivery) -> None:
        """Give it a place, as its request begins."""
        self._flying[claimed] = time.monotonic()
        endpoint = claimed.receiver.id
        self._of_endpoint[endpoint] = self._of_endpoint.get(endpoint, 0) + 1

    def leave(self, claimed: ClaimedDelivery) -> None:
        """Free the place of one that is over; one that had none changes nothing."""
        if self._flying.pop(claimed, None) is None:
            return
        endpoint = claimed.receiver.id
        self._of_endpoint[endpoint] -= 1
        if not self._of_endpoint[endpoint]:
            del self._of_endpoint[endpoint]

    def take_back(self) -> Iterator[ClaimedDelivery]:
        """Empty what waits for a place."""
        while self._waiting:
            yield self._waiting.popleft()[1]

    def slow(self) -> set[uuid.UUID]:
        """Return the endpoints that keep a request of ours waiting."""
        before = time.monotonic() - SLOW_SECONDS
        return {each.receiver.id for each, started in list(self._flying.items()) if started < before}

    def left_for_slow(self, slow: set[uuid.UUID]) -> int:
        """Return how many more deliveries to slow endpoints this worker may take."""
        held = [*list(self._flying), *(each for _at, each in list(self._waiting))]
        of_slow = sum(each.receiver.is_failing or each.receiver.id in slow for each in held)
        return max(0, int(self.most * MAX_SLOW_SHARE) - of_slow)

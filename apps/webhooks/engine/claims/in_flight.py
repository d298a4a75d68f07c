"""What is in flight, for the caps that a claim keeps on SQLite; PostgreSQL counts in the statement itself."""

import uuid
from collections import Counter

from apps.webhooks.engine.claims.rows import EndpointSnapshot, Limits


class InFlightCounts:
    """What is in flight: by endpoint, by organization, and by what an organization sends to one host and port."""

    def __init__(self, limits: Limits, busy: list[tuple[str, str, str | None, int, int]]) -> None:
        self._limits, self._slow = limits, {each.hex for each in limits.slow}
        self.of_endpoint: Counter[str] = Counter()
        self._of_organization: Counter[uuid.UUID] = Counter()
        self._of_target: Counter[tuple[uuid.UUID, str, bool]] = Counter()
        for endpoint, organization, target, failures, count in busy:
            self.of_endpoint[endpoint] += count
            self._add(uuid.UUID(organization), target, self.is_slow(endpoint, failures >= limits.failures), count)

    def is_slow(self, endpoint: str, is_failing: bool) -> bool:
        """Tell whether it fails, or keeps a request waiting."""
        return is_failing or endpoint in self._slow

    def has_target_room(self, organization: uuid.UUID, target: str | None, is_slow: bool) -> bool:
        """Tell whether the host and port may have one more of the organization, one of the slow ones or another."""
        if target is None:
            return True
        slow = self._of_target[organization, target, True]
        is_within = not is_slow or slow < self._limits.target_slow
        return is_within and slow + self._of_target[organization, target, False] < self._limits.target_in_flight

    def take(self, receiver: EndpointSnapshot) -> bool:
        """Count one more to the receiver where caps allow it, and tell whether they do."""
        owner, is_slow = receiver.organization_id, self.is_slow(receiver.id.hex, receiver.is_failing)
        is_full = self._of_organization[owner] >= self._limits.organization_in_flight
        if is_full or not self.has_target_room(owner, receiver.target, is_slow):
            return False
        self._add(owner, receiver.target, is_slow, 1)
        return True

    def _add(self, organization: uuid.UUID, target: str | None, is_slow: bool, count: int) -> None:
        self._of_organization[organization] += count
        if target is not None:
            self._of_target[organization, target, is_slow] += count

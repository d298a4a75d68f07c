"""Counts of deliveries in flight, for the caps of a claim on SQLite; PostgreSQL counts in the statement."""

import uuid
from collections import Counter

from apps.webhooks.engine.claims.rows import EndpointSnapshot, Limits


class InFlightCounts:
    """Deliveries in flight by endpoint, by organization, and by organization with host and port."""

    def __init__(self, limits: Limits, busy: list[tuple[str, str, str | None, int, int]]) -> None:
        self._limits, self._slow = limits, {each.hex for each in limits.slow}
        self.of_endpoint: Counter[str] = Counter()
        self._of_organization: Counter[uuid.UUID] = Counter()
        self._of_target: Counter[tuple[uuid.UUID, str, bool]] = Counter()
        for key, organization, target, failures, count in busy:
            self.of_endpoint[key] += count
            self._add(uuid.UUID(organization), target, self.is_slow(key, failures >= limits.failures), count)

    def is_slow(self, endpoint: str, is_failing: bool) -> bool:
        """Return whether the endpoint fails or is one of the slow ones."""
        return is_failing or endpoint in self._slow

    def has_target_capacity(self, organization: uuid.UUID, target: str | None, is_slow: bool) -> bool:
        """Return whether the caps of a host and port allow the organization one more request."""
        if target is None:
            return True
        slow = self._of_target[organization, target, True]
        is_within = not is_slow or slow < self._limits.target_slow
        return is_within and slow + self._of_target[organization, target, False] < self._limits.target_in_flight

    def take(self, endpoint: EndpointSnapshot) -> bool:
        """Count one more delivery to the endpoint if the caps allow it, and return whether they do."""
        owner, is_slow = endpoint.organization_id, self.is_slow(endpoint.id.hex, endpoint.is_failing)
        is_full = self._of_organization[owner] >= self._limits.organization_in_flight
        if is_full or not self.has_target_capacity(owner, endpoint.target, is_slow):
            return False
        self._add(owner, endpoint.target, is_slow, 1)
        return True

    def _add(self, organization: uuid.UUID, target: str | None, is_slow: bool, count: int) -> None:
        self._of_organization[organization] += count
        if target is not None:
            self._of_target[organization, target, is_slow] += count

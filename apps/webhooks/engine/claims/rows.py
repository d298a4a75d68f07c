"""The rows that a claim returns and that finishing takes, and the limits of a claim with what counts towards them."""

import uuid
from collections import Counter
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from apps.base.text.redaction import hide_query_values


@lru_cache(maxsize=4096)
def target_of(url: str) -> str | None:
    """Return host and port of a stored URL, as normalized by ``check_url``; None for the test inbox."""
    parts = urlsplit(url)
    if not parts.netloc:
        return None
    has_port = parts.netloc.rpartition(":")[2].isdigit()
    return parts.netloc if has_port else f"{parts.netloc}:{443 if parts.scheme == 'https' else 80}"


@dataclass(slots=True, eq=False)
class EndpointSnapshot:
    """An endpoint at the time of a claim; ``headers`` and ``secrets`` are encrypted, newest secret first."""

    id: uuid.UUID
    organization_id: uuid.UUID
    url: str
    headers: str
    secrets: tuple[tuple[uuid.UUID, str], ...]
    rate: int | None = None
    is_open: bool = True
    is_failing: bool = False

    @property
    def target(self) -> str | None:
        """Host and port of the endpoint; None for the test inbox."""
        return target_of(self.url)


@dataclass(slots=True, eq=False)
class ClaimedDelivery:
    """A delivery that this worker has leased; only the worker with ``token`` can finish it.

    ``started_at`` is the time of the claim by the database's clock, in seconds since 1970.
    """

    id: uuid.UUID
    token: uuid.UUID
    number: int
    uncounted: int
    event_id: uuid.UUID
    body: str
    test: bool
    started_at: float
    endpoint: EndpointSnapshot

    @property
    def tries_used(self) -> int:
        """How many attempts of the schedule are used up, including this one."""
        return self.number - self.uncounted


@dataclass(slots=True, eq=False)
class Result:
    """The result of one attempt: the delivery's next state and the attempt's record.

    ``wait_seconds`` is the wait until the next attempt where ``status`` is pending. ``uncounted`` is 1 for an attempt
    that does not use up the schedule.
    """

    claimed: ClaimedDelivery
    status: str
    wait_seconds: float | None = None
    reason: str = ""
    uncounted: int = 0
    status_code: int | None = None
    error: str = ""
    hint: str = ""
    address: str = ""
    duration_ms: float | None = None
    timings_ms: dict[str, Any] = field(default_factory=dict)
    request_headers: dict[str, str] = field(default_factory=dict)
    response_headers: list[Any] = field(default_factory=list)
    response_body: str = ""
    truncated: bool = False

    @property
    def id(self) -> uuid.UUID:
        """The id of the delivery."""
        return self.claimed.id

    @property
    def url(self) -> str:
        """The URL that it was sent to, without query values."""
        return hide_query_values(self.claimed.endpoint.url)

    @property
    def endpoint_id(self) -> uuid.UUID:
        return self.claimed.endpoint.id


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one claim can take. After ``lease_seconds`` other workers can claim the rows.

    An endpoint counts as failing after ``failures`` failed attempts in a row, and then has at most
    ``failing_in_flight``. An organization has at most ``target_in_flight`` to one host and port, over all its
    endpoints, of which slow ones get at most ``target_slow``.
    """

    rows: int
    lease_seconds: float
    part_of_one: float = 1.0
    slow: tuple[uuid.UUID, ...] = ()
    slow_rows: int = 0
    organization_in_flight: int = 200
    target_in_flight: int = 64
    target_slow: int = 25
    burst_seconds: float = 0.1
    failures: int = 3
    failing_in_flight: int = 4

    def as_values(self) -> dict[str, Any]:
        """Return the fields for SQL."""
        return asdict(self) | {"slow": list(self.slow)}

    @property
    def most_of_one(self) -> int:
        """How many deliveries an endpoint can have in flight after this claim, by the slots free before it."""
        return max(1, int(self.part_of_one * self.rows))

    def share(self, endpoints: int) -> int:
        """Return how many deliveries each of so many endpoints can get in one claim.

        The share keeps ``part_of_one`` when all take theirs at once, and bounds the rows that are read.
        """
        return max(1, int(self.part_of_one * self.rows / (1 + self.part_of_one * endpoints)))


class InFlightCounts:
    """Deliveries in flight by endpoint, by organization, and by organization with host and port.

    For a claim on SQLite; PostgreSQL counts in the statement.
    """

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

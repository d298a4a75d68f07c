"""The rows that a claim returns and that finishing takes, and the limits of a claim."""

import uuid
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


@dataclass(slots=True, eq=False)
class ClaimedDelivery:
    """A delivery that this worker has leased; only the worker with ``lease_token`` can finish it.

    ``started_at`` is the time of the claim by the database's clock, in seconds since 1970.
    """

    id: uuid.UUID
    lease_token: uuid.UUID
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
    def url(self) -> str:
        """The URL that it was sent to, without query values."""
        return hide_query_values(self.claimed.endpoint.url)


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

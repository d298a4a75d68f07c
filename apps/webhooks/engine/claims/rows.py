"""What a claim hands out and what finishing takes back."""

import uuid
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from apps.base.telemetry.logging import hide_query_values


@lru_cache(maxsize=4096)
def target_of(url: str) -> str | None:
    """Return host and port of a stored URL, which ``check_url`` wrote in its one form."""
    parts = urlsplit(url)
    if not parts.netloc:
        return None
    has_port = parts.netloc.rpartition(":")[2].isdigit()
    return parts.netloc if has_port else f"{parts.netloc}:{443 if parts.scheme == 'https' else 80}"


@dataclass(slots=True, eq=False)
class EndpointSnapshot:
    """An endpoint as one claim saw it; ``headers`` and ``secrets`` are ciphertexts, newest secret first."""

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
        """Host and port that it is sent to; None where nothing is dialled."""
        return target_of(self.url)


@dataclass(slots=True, eq=False)
class ClaimedDelivery:
    """A delivery that is ours until its lease ends; only whoever shows ``token`` may finish it.

    ``started_at`` is the claim's moment on the database's clock, in seconds since 1970.
    """

    id: uuid.UUID
    token: uuid.UUID
    number: int
    uncounted: int
    event_id: uuid.UUID
    body: str
    test: bool
    started_at: float
    receiver: EndpointSnapshot

    @property
    def tries_used(self) -> int:
        """How many of the schedule's attempts are used up, this one included."""
        return self.number - self.uncounted


@dataclass(slots=True, eq=False)
class Result:
    """What one attempt led to: the delivery's next state, and the attempt's record.

    ``wait_seconds`` until the next attempt where ``status`` is pending. ``uncounted`` is 1 for an attempt that does
    not use up the schedule.
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
        """The delivery."""
        return self.claimed.id

    @property
    def url(self) -> str:
        """Where it was sent, without the values of a query."""
        return hide_query_values(self.claimed.receiver.url)

    @property
    def endpoint_id(self) -> uuid.UUID:
        """Whose attempt it was."""
        return self.claimed.receiver.id


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one claim may take. ``lease_seconds`` is from the claim until others may have the rows.

    An endpoint fails, here, after ``failures`` failed attempts in a row, and then has ``failing_in_flight`` at most.
    To one host and port an organization has ``target_in_flight`` at most, whatever the number of its endpoints, and of
    those that are slow ``target_slow``: so that they leave places to the others there.
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
        """How many an endpoint may have in flight after this claim, by what is free before it."""
        return max(1, int(self.part_of_one * self.rows))

    def share(self, endpoints: int) -> int:
        """Return how many of so many endpoints each may get, so that its part of the free ones is kept
        when all take theirs at once; and so that many endpoints do not mean many rows to look at."""
        return max(1, int(self.part_of_one * self.rows / (1 + self.part_of_one * endpoints)))

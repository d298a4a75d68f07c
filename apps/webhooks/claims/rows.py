"""What a claim hands out and what finishing takes back."""

import uuid
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(slots=True, eq=False)
class Receiver:
    """An endpoint as one claim saw it; ``headers`` and ``secrets`` are ciphertexts, newest secret first."""

    id: uuid.UUID
    organization_id: uuid.UUID
    url: str
    headers: str
    secrets: tuple[tuple[uuid.UUID, str], ...]
    rate: int | None = None
    is_open: bool = True


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
    receiver: Receiver

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
    def endpoint_id(self) -> uuid.UUID:
        """Whose attempt it was."""
        return self.claimed.receiver.id


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one claim may take. ``lease_seconds`` is from the claim until others may have the rows."""

    rows: int
    lease_seconds: float
    organization_in_flight: int = 200
    burst_seconds: float = 0.1

    def as_values(self) -> dict[str, Any]:
        """This will return the fields for SQL."""
        return asdict(self)

"""The dataclasses that a claim takes and returns, and the results that finishing takes."""

import uuid
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from apps.base.text.redaction import hide_query_values


@lru_cache(maxsize=4096)
def target_of(url: str) -> str | None:
    """Return host and port of a URL that ``check_url`` has normalized, or None for the test inbox."""
    parts = urlsplit(url)
    if not parts.netloc:
        return None
    has_port = parts.netloc.rpartition(":")[2].isdigit()
    return parts.netloc if has_port else f"{parts.netloc}:{443 if parts.scheme == 'https' else 80}"


@dataclass(slots=True, eq=False)
class EndpointSnapshot:
    """An endpoint at the time of a claim.

    ``headers`` and ``secrets`` (id and secret, newest first) are encrypted. ``is_open``: the endpoint and its
    organization are active.
    """

    id: uuid.UUID
    organization_id: uuid.UUID
    url: str
    headers: str
    secrets: tuple[tuple[uuid.UUID, str], ...]
    rate: int | None = None
    is_open: bool = True
    is_struggling: bool = False


@dataclass(slots=True, eq=False)
class ClaimedDelivery:
    """A delivery that this worker has leased; it can only be finished with its ``lease_token``.

    ``number`` counts its attempts, and ``uncounted`` those that do not use up the retry schedule. ``started_at`` is the
    time of the claim by the database's clock, in seconds since 1970.
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
    def counted_attempts(self) -> int:
        """The number of attempts that use up the retry schedule, including this one."""
        return self.number - self.uncounted


@dataclass(slots=True, eq=False)
class Result:
    """The result of one attempt: the delivery's next state and the values of the attempt's row.

    ``wait_seconds`` is the wait until the next attempt if ``status`` is pending. ``uncounted`` is 1 if the attempt does
    not use up the retry schedule.
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
        """The URL that the request was sent to, without query values."""
        return hide_query_values(self.claimed.endpoint.url)


@dataclass(frozen=True, slots=True)
class ClaimLimits:
    """The limits of one claim. After ``lease_seconds`` other workers can claim the same deliveries.

    ``rows`` is the maximum number of deliveries, of which slow endpoints get at most ``slow_rows``. An endpoint is
    struggling after ``failures`` failed attempts in a row, and then has at most ``failing_in_flight``. All endpoints of
    an organization have at most ``target_in_flight`` to one host and port together, and slow ones ``target_slow``.
    """

    rows: int
    lease_seconds: float
    endpoint_share: float = 1.0
    slow: tuple[uuid.UUID, ...] = ()
    slow_rows: int = 0
    organization_in_flight: int = 200
    target_in_flight: int = 64
    target_slow: int = 25
    burst_seconds: float = 0.1
    failures: int = 3
    failing_in_flight: int = 4

    def as_values(self) -> dict[str, Any]:
        """Return the fields as parameters of an SQL statement."""
        return asdict(self) | {"slow": list(self.slow)}

    @property
    def max_per_endpoint(self) -> int:
        """The number of deliveries that one endpoint can have in flight after this claim."""
        return max(1, int(self.endpoint_share * self.rows))

    def share(self, endpoints: int) -> int:
        """Return how many deliveries each endpoint can get in one claim, given the number of endpoints.

        ``endpoint_share`` then also holds if all endpoints get that many, and the number of rows to read is bounded.
        """
        return max(1, int(self.endpoint_share * self.rows / (1 + self.endpoint_share * endpoints)))

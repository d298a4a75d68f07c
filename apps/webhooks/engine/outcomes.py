"""The outcome of one attempt: error, status, timings, response and Retry-After."""

import errno
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pycurl

from apps.base.outbound import GuardedHandle
from apps.webhooks.engine import clock_check
from apps.webhooks.engine.failure_causes import CONNECTION_ERRORS, failure_cause
from apps.webhooks.engine.retry_schedule import MAX_RETRY_AFTER_SECONDS

_DELTA_SECONDS = re.compile(r"[0-9]{1,12}")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_CLOCK = r"(?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)"
_MONTH = rf"(?P<month>{'|'.join(_MONTHS)})"
# The three forms of RFC 9110 section 5.6.7: IMF-fixdate, RFC 850, asctime.
_HTTP_DATES = tuple(
    re.compile(form, re.ASCII | re.IGNORECASE)
    for form in (
        rf"[a-z]{{3}}, (?P<day>\d\d) {_MONTH} (?P<year>\d{{4}}) {_CLOCK} GMT",
        rf"[a-z]{{6,9}}, (?P<day>\d\d)-{_MONTH}-(?P<year>\d\d) {_CLOCK} GMT",
        rf"[a-z]{{3}} {_MONTH} (?P<day>[ \d]\d) {_CLOCK} (?P<year>\d{{4}})",
    )
)

Timings = dict[str, int | None]
NO_TIMINGS: Timings = {"dns": None, "connect": None, "tls": None, "first_byte": None, "total": None}


@dataclass(slots=True)
class Outcome:
    """The result of one attempt, ready to be recorded; a success if ``error`` is None.

    ``hint`` names the cause of an error (``failure_causes.py``, or the resolver for DNS). ``timings_ms`` has the
    duration of each phase, or None if the phase did not happen. ``retry_after`` is in seconds. With ``refused``, the
    policy does not allow the address: nothing was sent, and address and timings are left out, so that attempts cannot
    be used to map a private network. With ``has_network_response``, the server or a name server responded, if only by
    refusing the connection, so this machine has a network; this field is not recorded.
    """

    token: Any
    error: str | None = None
    hint: str = ""
    status_code: int | None = None
    address: str | None = None
    timings_ms: Timings = field(default_factory=lambda: dict(NO_TIMINGS))
    duration_ms: int = 0
    response_headers: list[tuple[str, str]] = field(default_factory=list)
    response_body: str = ""
    truncated: bool = False
    retry_after: float | None = None
    refused: bool = False
    has_network_response: bool = False

    @property
    def gone(self) -> bool:
        """Return whether the endpoint responded with 410 Gone."""
        return self.status_code == 410 and self.error == "http_error"


def refused_outcome(token: Any) -> Outcome:
    """Return the outcome for an address that the policy refuses; it is the same as for a closed port."""
    return Outcome(token, error="connection_failed", hint="no_connection", refused=True)


def read_outcome(token: Any, handle: GuardedHandle, curl_error: int, dns_ms: int | None) -> Outcome:
    """Return the outcome of a finished transfer. ``dns_ms`` is the duration of the lookup, None for an IP address."""
    if handle.is_refused and curl_error in CONNECTION_ERRORS:
        return refused_outcome(token)
    status = handle.status or handle.read_status()
    error, hint = failure_cause(handle, status, curl_error)
    headers = handle.response_headers()
    body, is_truncated = handle.response_body(headers)
    timings = _timings(handle, dns_ms)
    return Outcome(
        token=token,
        error=error,
        hint=hint,
        status_code=status,
        address=handle.curl.getinfo(pycurl.PRIMARY_IP) or handle.connected_address,
        timings_ms=timings,
        duration_ms=timings["total"] or 0,
        response_headers=headers,
        response_body=body,
        truncated=is_truncated,
        retry_after=_retry_after(headers) if error else None,
        has_network_response=_has_network_response(handle, error),
    )


def _has_network_response(handle: GuardedHandle, error: str | None) -> bool:
    if error == "connection_failed":
        return bool(handle.curl.getinfo(pycurl.OS_ERRNO) == errno.ECONNREFUSED)
    return error != "dns_failed"


def _timings(handle: GuardedHandle, dns_ms: int | None) -> Timings:
    """Convert curl's timestamps, in microseconds since its start, to the duration of each phase in milliseconds."""
    getinfo = handle.curl.getinfo
    connected = getinfo(pycurl.CONNECT_TIME_T)
    secured = getinfo(pycurl.APPCONNECT_TIME_T)
    # curl also sets this time if it gave up without receiving a byte.
    first = getinfo(pycurl.STARTTRANSFER_TIME_T) if handle.header_bytes else 0
    total = getinfo(pycurl.TOTAL_TIME_T)
    return {
        "dns": dns_ms,
        "connect": _milliseconds(connected) if connected else None,
        "tls": _milliseconds(secured - connected) if secured else None,
        "first_byte": _milliseconds(first - max(connected, secured)) if first else None,
        "total": _milliseconds(total) + (dns_ms or 0),
    }


def _milliseconds(microseconds: int) -> int:
    return max(0, round(microseconds / 1000))


def _retry_after(headers: list[tuple[str, str]]) -> float | None:
    value = next((value for name, value in headers if name == "retry-after"), None)
    return None if value is None else parse_retry_after(value, clock_check.now())


def parse_retry_after(value: str, now: datetime) -> float | None:
    """Return the wait in seconds of a Retry-After value, at most a day, or None if it is invalid.

    Source: RFC 9110 section 10.2.3.
    """
    if _DELTA_SECONDS.fullmatch(value):
        return min(float(value), MAX_RETRY_AFTER_SECONDS)
    at = parse_http_date(value, now)
    if at is None:
        return None
    return min(max((at - now).total_seconds(), 0.0), MAX_RETRY_AFTER_SECONDS)


def parse_http_date(value: str, now: datetime) -> datetime | None:
    """Return an HTTP date in one of its three forms as a datetime, or None."""
    match = next(filter(None, (form.fullmatch(value) for form in _HTTP_DATES)), None)
    if match is None:
        return None
    year = int(match["year"])
    if len(match["year"]) == 2:
        # RFC 9110: a two-digit year that appears to be more than 50 years ahead belongs to the past century.
        year += now.year // 100 * 100
        year -= 100 if year > now.year + 50 else 0
    month = _MONTHS.index(match["month"].lower()) + 1
    clock = (int(match["hour"]), int(match["minute"]), int(match["second"]))
    try:
        return datetime(year, month, int(match["day"]), *clock, tzinfo=UTC)
    except ValueError:
        return None

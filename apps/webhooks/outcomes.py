"""What became of one attempt: curl's error first, then the status, then what the receiver asked for."""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pycurl

from apps.base.outbound import GuardedHandle
from apps.webhooks import clock

MAX_RETRY_AFTER_SECONDS = 24 * 3600.0

TLS_ERRORS = frozenset({35, 51, 53, 54, 58, 59, 60, 64, 66, 77, 80, 82, 83, 90, 91, 98})
CONNECTION_ERRORS = frozenset({5, 7, 45})
_HINTS = {
    pycurl.E_PARTIAL_FILE: "response_cut_short",
    pycurl.E_GOT_NOTHING: "no_response",
    pycurl.E_SEND_ERROR: "connection_lost",
    pycurl.E_RECV_ERROR: "connection_lost",
    pycurl.E_UNSUPPORTED_PROTOCOL: "not_http",
    pycurl.E_FTP_WEIRD_SERVER_REPLY: "not_http",
    pycurl.E_PEER_FAILED_VERIFICATION: "certificate_invalid",
}

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
    """The result of one attempt, ready to be recorded. It was a success when ``error`` is None.

    ``hint`` says more where there is more to say: no_connection, dns_no_such_name, dns_no_address,
    dns_timed_out, dns_server_failed, certificate_invalid, handshake_failed, not_http, no_response,
    connection_lost, response_cut_short, headers_too_large, endless_response, redirect_not_followed, bad_header.
    ``timings_ms`` holds the length of each phase; None for one that did not happen. ``retry_after`` is in
    seconds. ``refused`` means that the address may not be contacted: then nothing was sent, and neither
    address nor times are told, so that an attempt cannot be used to map a private network.
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

    @property
    def gone(self) -> bool:
        """Tell whether the receiver said that it is no longer there (410)."""
        return self.status_code == 410 and self.error == "http_error"


def refused_outcome(token: Any) -> Outcome:
    """Return what is told of an address that may not be contacted: as little as of a closed port."""
    return Outcome(token, error="connection_failed", hint="no_connection", refused=True)


def read_outcome(token: Any, handle: GuardedHandle, curl_error: int, dns_ms: int | None) -> Outcome:
    """Sum up a finished transfer. ``dns_ms`` is the time of our own look-up, None for a literal."""
    getinfo = handle.curl.getinfo
    status = getinfo(pycurl.RESPONSE_CODE) or None
    if handle.is_refused and curl_error in CONNECTION_ERRORS:
        return refused_outcome(token)
    error, hint = _judge(handle, curl_error, status)
    headers = handle.response_headers()
    body, is_truncated = handle.response_body()
    timings = _timings(handle, dns_ms)
    return Outcome(
        token=token,
        error=error,
        hint=hint,
        status_code=status,
        address=getinfo(pycurl.PRIMARY_IP) or handle.dialled,
        timings_ms=timings,
        duration_ms=timings["total"] or 0,
        response_headers=headers,
        response_body=body,
        truncated=is_truncated,
        retry_after=_retry_after(headers) if error else None,
    )


def _judge(handle: GuardedHandle, curl_error: int, status: int | None) -> tuple[str | None, str]:
    """Return error and hint. The status may read 200 while the body never ended: it is looked at last."""
    if handle.is_header_flood:
        return "bad_response", "headers_too_large"
    if handle.is_flood:
        return "bad_response", "endless_response"
    if curl_error and not handle.is_body_cut:
        return _judge_curl_error(handle, curl_error)
    if status is None:
        return "bad_response", "not_http"
    if 200 <= status < 300:
        return None, ""
    return ("redirected", "redirect_not_followed") if 300 <= status < 400 else ("http_error", "")


def _judge_curl_error(handle: GuardedHandle, curl_error: int) -> tuple[str, str]:
    if curl_error == pycurl.E_OPERATION_TIMEDOUT:
        # A filtered port never accepts: told like a closed one, since that is what it is to the sender.
        is_filtered = handle.dialled and not handle.curl.getinfo(pycurl.CONNECT_TIME_T)
        return ("connection_failed", "no_connection") if is_filtered else ("timed_out", "")
    if curl_error in CONNECTION_ERRORS:
        return "connection_failed", "no_connection"
    if curl_error == pycurl.E_COULDNT_RESOLVE_HOST:
        return "dns_failed", ""
    if curl_error in TLS_ERRORS:
        return "tls_failed", _HINTS.get(curl_error, "handshake_failed")
    return "bad_response", _HINTS.get(curl_error, "not_http")


def _timings(handle: GuardedHandle, dns_ms: int | None) -> Timings:
    """Turn curl's marks, in microseconds since its start, into the length of each phase in milliseconds."""
    getinfo = handle.curl.getinfo
    connected = getinfo(pycurl.CONNECT_TIME_T)
    secured = getinfo(pycurl.APPCONNECT_TIME_T)
    first = getinfo(pycurl.STARTTRANSFER_TIME_T)
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
    return None if value is None else parse_retry_after(value, clock.now())


def parse_retry_after(value: str, now: datetime) -> float | None:
    """Return the wait in seconds that Retry-After asks for, at most a day; None when it is not valid.

    Source: RFC 9110 section 10.2.3.
    """
    if _DELTA_SECONDS.fullmatch(value):
        return min(float(value), MAX_RETRY_AFTER_SECONDS)
    moment = parse_http_date(value, now)
    if moment is None:
        return None
    return min(max((moment - now).total_seconds(), 0.0), MAX_RETRY_AFTER_SECONDS)


def parse_http_date(value: str, now: datetime) -> datetime | None:
    """Return the moment in one of the three forms of an HTTP date, or None."""
    match = next(filter(None, (form.fullmatch(value) for form in _HTTP_DATES)), None)
    if match is None:
        return None
    year = int(match["year"])
    if len(match["year"]) == 2:
        # RFC 9110: two digits that seem over 50 years ahead mean the past century.
        year += now.year // 100 * 100
        year -= 100 if year > now.year + 50 else 0
    month = _MONTHS.index(match["month"].lower()) + 1
    clock = (int(match["hour"]), int(match["minute"]), int(match["second"]))
    try:
        return datetime(year, month, int(match["day"]), *clock, tzinfo=UTC)
    except ValueError:
        return None

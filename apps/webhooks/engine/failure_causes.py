"""Determine why an attempt failed, as far as libcurl knows: the documented error, and a hint that names the cause.

curl's error takes precedence over the status, which can be 200 although the response is incomplete.
"""

import re

import pycurl

from apps.base.outbound import SWITCHING_PROTOCOLS, GuardedHandle

TLS_ERRORS = frozenset({35, 51, 53, 54, 58, 59, 60, 64, 66, 77, 80, 82, 83, 90, 91, 98})
CONNECTION_ERRORS = frozenset({5, 7, 45})
REDIRECTS = frozenset({301, 302, 303, 307, 308})

_BY_CURL_ERROR = {
    pycurl.E_PARTIAL_FILE: "response_cut_short",
    pycurl.E_GOT_NOTHING: "no_response",
    pycurl.E_SEND_ERROR: "connection_lost",
    pycurl.E_RECV_ERROR: "connection_lost",
}
_CONNECTION_LOST = (pycurl.E_SEND_ERROR, pycurl.E_RECV_ERROR)
# Keys are values of SSL_VERIFYRESULT (OpenSSL's x509_vfy.h).
_BY_VERIFY_RESULT = {
    **dict.fromkeys((0, 1, 62, 64), "certificate_wrong_host"),  # valid chain, but curl found another name
    9: "certificate_not_yet_valid",
    10: "certificate_expired",
    18: "certificate_self_signed",
    19: "certificate_unknown_issuer",
    20: "certificate_unknown_issuer",
    21: "certificate_unknown_issuer",
    **dict.fromkeys((66, 67, 68), "certificate_too_weak"),
}
_ISSUER_NOT_FOUND = (20, 21)
# The reason code in OpenSSL's error text. Codes from 1000 are TLS alerts of the server (RFC 8446 section 6).
_OPENSSL_REASON = re.compile(r"error:0A([0-9A-Fa-f]{6}):")
_FIRST_ALERT = 1000
_BY_OPENSSL_REASON = {
    **dict.fromkeys((198, 267), "not_tls"),
    **dict.fromkeys((191, 258, _FIRST_ALERT + 70, _FIRST_ALERT + 86), "tls_version_not_supported"),
    # Alerts about the client's certificate, which deliveries do not have.
    **dict.fromkeys(
        (_FIRST_ALERT + number for number in (41, 42, 43, 44, 45, 46, 48, 49, 116)), "client_certificate_required"
    ),
    _FIRST_ALERT + 112: "tls_name_not_known",
}


def failure_cause(handle: GuardedHandle, status: int | None, curl_error: int) -> tuple[str | None, str]:
    """Return error and hint of a finished transfer; (None, "") for a success."""
    if handle.is_head_complete and (not curl_error or handle.is_body_cut) and status is not None:
        return _response_cause(handle, status)
    if handle.is_header_flood:
        return "bad_response", "headers_too_large"
    if handle.is_flood:
        return "bad_response", "endless_response"
    if handle.raw_head and status is None:
        return "bad_response", "not_http"
    if status == SWITCHING_PROTOCOLS:
        return "bad_response", "protocol_switched"
    return _curl_error_cause(handle, curl_error) if curl_error else ("bad_response", "response_cut_short")


def _response_cause(handle: GuardedHandle, status: int) -> tuple[str | None, str]:
    if 200 <= status < 300:
        if handle.has_unread_length():
            return "bad_response", "response_cut_short"
        return (None, "") if handle.is_request_sent() else ("bad_response", "request_not_read")
    return ("redirected", "redirect_not_followed") if status in REDIRECTS else ("http_error", "")


def _curl_error_cause(handle: GuardedHandle, curl_error: int) -> tuple[str, str]:
    if curl_error == pycurl.E_OPERATION_TIMEDOUT:
        return _timeout_cause(handle)
    if curl_error in CONNECTION_ERRORS:
        return "connection_failed", "no_connection"
    if curl_error == pycurl.E_COULDNT_RESOLVE_HOST:
        return "dns_failed", ""
    if curl_error == pycurl.E_PEER_FAILED_VERIFICATION:
        return "tls_failed", _certificate_cause(handle)
    by_reason = _openssl_cause(handle)
    if curl_error in TLS_ERRORS or by_reason == "client_certificate_required":
        # With TLS 1.3 the server asks for a certificate after the client has completed the handshake.
        return "tls_failed", by_reason or "handshake_failed"
    if curl_error == pycurl.E_RECV_ERROR and "hunk" in handle.curl.errstr():
        return "bad_response", "not_http"
    if curl_error in _CONNECTION_LOST and not handle.header_bytes and _is_secure(handle) and handle.connected_address:
        return "bad_response", "closed_after_handshake"
    return "bad_response", _BY_CURL_ERROR.get(curl_error, "not_http")


def _timeout_cause(handle: GuardedHandle) -> tuple[str, str]:
    """Return error and hint of a timeout, by how far the request got."""
    getinfo = handle.curl.getinfo
    if handle.connected_address and not getinfo(pycurl.CONNECT_TIME_T):
        # A firewall that drops packets is reported like a closed port.
        return "connection_failed", "no_connection"
    if handle.is_head_complete:
        return "timed_out", "body_timed_out"
    # ``raw_head`` is empty after an interim response (1xx), as the final response has not begun.
    if handle.raw_head:
        return "timed_out", "headers_timed_out"
    if handle.connected_address and _is_secure(handle) and not getinfo(pycurl.APPCONNECT_TIME_T):
        return "timed_out", "handshake_timed_out"
    return "timed_out", "response_timed_out" if handle.is_request_sent() else "request_not_read"


def _is_secure(handle: GuardedHandle) -> bool:
    return bool(handle.curl.getinfo(pycurl.SCHEME) == "https")


def _certificate_cause(handle: GuardedHandle) -> str:
    result = handle.curl.getinfo(pycurl.SSL_VERIFYRESULT)
    if result in _ISSUER_NOT_FOUND and len(handle.curl.getinfo(pycurl.INFO_CERTINFO)) == 1:
        return "certificate_chain_incomplete"
    return _BY_VERIFY_RESULT.get(result, "certificate_invalid")


def _openssl_cause(handle: GuardedHandle) -> str:
    match = _OPENSSL_REASON.search(handle.curl.errstr())
    return _BY_OPENSSL_REASON.get(int(match[1], 16), "") if match else ""

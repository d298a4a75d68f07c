"""Labels of errors and reasons, and advice on what to do about failures."""

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

DISABLED_REASONS: dict[str, Promise] = {
    "gone": _("It answered 410 Gone."),
    "failing": _("It failed for five days."),
    "organization_closed": _("The organization was closed."),
}
ERROR_LABELS: dict[str, Promise] = {
    "connection_failed": _("connection failed"),
    "dns_failed": _("DNS lookup failed"),
    "tls_failed": _("TLS failed"),
    "timed_out": _("timed out"),
    "bad_response": _("no valid answer"),
    "redirected": _("redirected"),
    "http_error": _("refused"),
    "shutdown": _("interrupted by us"),
}
WHAT_TO_TRY: dict[str, Promise] = {
    "connection_failed": _(
        "Nothing answered at this address. Check that the server runs, that its port is open to the internet, and "
        "that the URL is right."
    ),
    "dns_failed": _("The name has no address. Check the spelling of the URL and your DNS records."),
    "tls_failed": _("A secure connection couldn't be established. Check your server's certificate and TLS settings."),
    "timed_out": _("Your server took too long to respond. Respond with 2xx first, then do the work."),
    "bad_response": _("What came back was not complete HTTP. Check proxies in front of the receiver."),
    "redirected": _("We do not follow redirects. Enter the final URL."),
    "http_error": _(
        "The endpoint answered, so the network is fine. Repair the receiver, then send it again. Repeats carry the "
        "same webhook-id, so a safe receiver ignores them."
    ),
    "shutdown": _("Our worker stopped during this attempt. It is repeated and does not count."),
}
BY_HINT: dict[str, Promise] = {
    "dns_no_such_name": _("This domain name doesn't exist. Check the spelling of the URL and your DNS records."),
    "dns_no_address": _("This domain name has no address. Add an A or AAAA record to your DNS."),
    "dns_timed_out": _(
        "The DNS servers of this domain didn't respond in time. Check that they are up; the URL may be right."
    ),
    "dns_server_failed": _(
        "The DNS servers of this domain returned an error. Check them and your DNSSEC settings; the URL may be right."
    ),
    "certificate_expired": _("Your server's certificate has expired. Renew it and reload your server."),
    "certificate_not_yet_valid": _(
        "Your server's certificate isn't valid yet. Check its start date, or install the previous one until then."
    ),
    "certificate_wrong_host": _(
        "Your server's certificate is for another host name. Install one that covers the host in the URL."
    ),
    "certificate_self_signed": _(
        "Your server's certificate is self-signed. Install one from a public certificate authority."
    ),
    "certificate_chain_incomplete": _(
        "Your server sent its own certificate without the one that signed it. Install the full chain, "
        "including the intermediate certificates, from a public certificate authority."
    ),
    "certificate_unknown_issuer": _(
        "Your server's certificate was issued by an authority that isn't publicly trusted. Install one from a public "
        "certificate authority."
    ),
    "certificate_too_weak": _("Your server's certificate uses a key or signature that is too weak. Issue a new one."),
    "certificate_invalid": _("Your server's certificate was rejected. Check its chain, dates and usage."),
    "client_certificate_required": _(
        "Your server asks for a client certificate, which deliveries don't have. Turn it off for this URL and verify "
        "the signature instead."
    ),
    "closed_after_handshake": _(
        "Your server dropped the connection right after the TLS handshake. It may require a client certificate, which "
        "deliveries don't have; otherwise check its logs for a crash."
    ),
    "tls_version_not_supported": _("Your server only supports an outdated TLS version. Enable TLS 1.2 or 1.3."),
    "tls_name_not_known": _("Your server has no site for this host name. Add the host in the URL to its TLS settings."),
    "not_tls": _("Your server speaks plain HTTP on this port. Enable TLS there, or correct the port in the URL."),
    "handshake_failed": _(
        "The TLS handshake failed. Enable TLS 1.2 or 1.3 with common cipher suites, and don't require a client "
        "certificate."
    ),
    "handshake_timed_out": _(
        "Your server accepted the connection but didn't complete the TLS handshake in time. Check that it serves TLS "
        "on this port and isn't overloaded."
    ),
    "response_timed_out": _(
        "Your server received the request but didn't respond in time. Respond with 2xx first, then do the work."
    ),
    "headers_timed_out": _(
        "Your server started a response but didn't finish its headers in time. Check proxies in front of it."
    ),
    "body_timed_out": _(
        "Your server sent the headers in time, but the body didn't end. Send a short body, or none, with the right "
        "Content-Length."
    ),
    "request_not_read": _(
        "Your server didn't read the whole request, so this doesn't count as delivered. Read the body before you "
        "respond."
    ),
    "protocol_switched": _(
        "Your server switched to another protocol (101). Deliveries are plain HTTP requests: use a URL that isn't a "
        "WebSocket."
    ),
    "response_cut_short": _(
        "The connection closed before the response was complete. Check timeouts and crashes on your server and in "
        "proxies in front of it."
    ),
    "no_response": _("Your server closed the connection without a response. Check its logs for a crash."),
    "connection_lost": _("The connection was lost before the response was complete. Check your server's logs."),
    "not_http": _("The response isn't valid HTTP/1.1. Check that the port in the URL belongs to a web server."),
    "endless_response": _("The answer did not stop, so we ended it. Answer with a short body, or with none."),
    "headers_too_large": _("The answer's headers are too large. Answer with fewer and shorter ones."),
}
BY_STATUS: dict[int, Promise] = {
    304: _("304 answers only conditional requests, and a delivery isn't one. Respond with 2xx, and check caches."),
    401: _("The receiver wants credentials. Add the header it expects to the endpoint, or let it check our signature."),
    403: _("The receiver forbids the call. Check firewalls and rules in front of it, or the header it expects."),
    404: _("The server is there, the path is not. Check the path of the URL."),
    405: _("The path does not take POST. Deliveries are always POST: check the route of the receiver."),
    410: _("410 means “gone”: we stop calling at once. Answer anything else if the receiver is still wanted."),
    413: _("The receiver takes no body of this size. Raise its limit."),
    429: _("The receiver asks for a slower pace. Set a rate for this endpoint; we honour Retry-After."),
}
SERVER_ERROR: Promise = _("The receiver failed by itself. Its own log at this time says more; then send it again.")
NEXT_REASONS: dict[str, Promise] = {
    "retry": _("by the schedule"),
    "retry_after": _("as the receiver asked (Retry-After)"),
    "no_network": _("nothing could be reached from here; this does not count"),
    "shutdown": _("our worker was stopped; this does not count"),
    "lost": _("our worker did not come back; this does not count"),
    "manual": _("sent again by hand"),
    "released": _("it was held and is sent now"),
    "replay": _("by a replay"),
    "test": _("a test"),
}


def error_label(error: str) -> str:
    return str(ERROR_LABELS.get(error, error))


def what_to_try(error: str, status_code: int | None, hint: str = "") -> str:
    """Return advice on a failure by its hint, status or error, or an empty string for a success."""
    if error and hint in BY_HINT:
        return str(BY_HINT[hint])
    if error == "http_error" and status_code is not None:
        by_class = SERVER_ERROR if status_code >= 500 else WHAT_TO_TRY["http_error"]
        return str(BY_STATUS.get(status_code, by_class))
    return str(WHAT_TO_TRY.get(error, ""))

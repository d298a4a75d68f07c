"""What failures and reasons are called, and what may be tried."""

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

DISABLED_REASONS: dict[str, Promise] = {
    "gone": _("It answered 410 Gone."),
    "failing": _("It failed for five days."),
    "organization_closed": _("The organization was closed."),
}
ERROR_WORDS: dict[str, Promise] = {
    "connection_failed": _("connection failed"),
    "dns_failed": _("name not found"),
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
    "tls_failed": _("The certificate was not accepted. Check that it is valid, complete and for this name."),
    "timed_out": _("The answer took too long. Answer 2xx first and do the work afterwards."),
    "bad_response": _("What came back was not complete HTTP. Check proxies in front of the receiver."),
    "redirected": _("We do not follow redirects. Enter the final URL."),
    "http_error": _(
        "The endpoint answered, so the network is fine. Repair the receiver, then send it again. Repeats carry the "
        "same webhook-id, so a safe receiver ignores them."
    ),
    "shutdown": _("Our worker stopped during this attempt. It is repeated and does not count."),
}
BY_HINT: dict[str, Promise] = {
    "endless_response": _("The answer did not stop, so we ended it. Answer with a short body, or with none."),
    "headers_too_large": _("The answer's headers are too large. Answer with fewer and shorter ones."),
}
BY_STATUS: dict[int, Promise] = {
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


def error_word(error: str) -> str:
    """This will return what an error of an attempt is called."""
    return str(ERROR_WORDS.get(error, error))


def what_to_try(error: str, status_code: int | None, hint: str = "") -> str:
    """This will return one sentence by the hint or the class of a failure; nothing for a success."""
    if error and hint in BY_HINT:
        return str(BY_HINT[hint])
    if error == "http_error" and status_code is not None:
        by_class = SERVER_ERROR if status_code >= 500 else WHAT_TO_TRY["http_error"]
        return str(BY_STATUS.get(status_code, by_class))
    return str(WHAT_TO_TRY.get(error, ""))

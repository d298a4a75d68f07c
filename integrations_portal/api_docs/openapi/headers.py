"""Response headers, and the parameters that operations share."""

from typing import Any

from apps.base.rest.etags import LIST
from apps.base.rest.operations import PAGE_PARAMETERS, Operation, Paging
from apps.base.rest.views import PortalView

# Not sent for a key without rate limits.
LIMITS = ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset", "RateLimit-Policy", "RateLimit")


def _header(text: str, required: bool = False, **schema: Any) -> dict[str, Any]:
    return {"description": text, "required": required, "schema": schema}


HEADERS: dict[str, dict[str, Any]] = {
    "X-Request-ID": _header("Names this call in logs and in the audit log.", True, type="string"),
    "RateLimit-Limit": _header("Calls in the window with the fewest left.", type="integer"),
    "RateLimit-Remaining": _header("Calls that are left in it.", type="integer"),
    "RateLimit-Reset": _header("Seconds until it ends.", type="integer"),
    "RateLimit-Policy": _header("All windows: draft-ietf-httpapi-ratelimit-headers.", type="string"),
    "RateLimit": _header("What is left of each window: the same draft.", type="string"),
    "Retry-After": _header("Seconds to wait.", True, type="integer", minimum=1),
    "WWW-Authenticate": _header("How to authenticate (RFC 6750).", True, type="string"),
    "X-Total-Count": _header("How many there are on all pages.", True, type="integer", minimum=0),
    "Link": _header("Neighbouring pages (RFC 8288): first, prev, next, last; lists by cursor: next.", type="string"),
    "Idempotency-Replayed": _header("`true`: the first answer again.", type="string", const="true"),
    "ETag": _header("Stands for what was answered (RFC 9110 section 8.8.3).", type="string"),
    "Access-Control-Allow-Origin": _header("The caller's origin, where it is one of the key's own.", type="string"),
    "Access-Control-Expose-Headers": _header("What a page of that origin may read.", type="string"),
    "Accept-Encoding": _header("`identity`: the body was compressed, which is not read.", type="string"),
    "Content-Disposition": _header("The name of the file.", True, type="string"),
}
PARAMETERS: dict[str, dict[str, Any]] = {
    "limit": {
        "name": "limit",
        "in": "query",
        "description": "How many a page has at most.",
        "schema": {"type": "integer", "minimum": 1, "maximum": 200, "default": 50},
    },
    "offset": {
        "name": "offset",
        "in": "query",
        "description": "How many to skip.",
        "schema": {"type": "integer", "minimum": 0, "maximum": 1_000_000_000, "default": 0},
    },
    "cursor": {
        "name": "cursor",
        "in": "query",
        "description": "Where to go on: as the link to the next page has it.",
        "schema": {"type": "string"},
    },
    "Idempotency-Key": {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "Makes it safe to send the request again within 24 hours: the first answer comes back.",
        "schema": {"type": "string", "pattern": "^[\\x21-\\x7E]{1,255}$"},
    },
}
TAGS = rf"^(?:[ \t]*\*[ \t]*|{LIST.pattern})$"
CONDITIONS = {
    "If-None-Match": "Tags that the caller holds: 304 where one of them is still good.",
    "If-Match": "Tags one of which the object must have: else 412, and nothing is changed.",
}
PARAMETERS |= {
    name: {"name": name, "in": "header", "description": text, "schema": {"type": "string", "pattern": TAGS}}
    for name, text in CONDITIONS.items()
}


def response_headers(view: type[PortalView], operation: Operation, status: int) -> list[str]:
    """Return the headers that a response with this status can have."""
    found = ["X-Request-ID"]
    if view.callers and status != 401:
        found += LIMITS
    if "sdk_key" in view.callers:
        found += ("Access-Control-Allow-Origin", "Access-Control-Expose-Headers")
    if status == 401:
        found.append("WWW-Authenticate")
    if status == 415:
        found.append("Accept-Encoding")
    if status in (429, 503):
        found.append("Retry-After")
    if status == 409 and operation.idempotent:
        found.append("Idempotency-Replayed")
    if status == 304 or (status == 200 and (operation.etag or operation.if_match)):
        found.append("ETag")
    if status in operation.responses or status == 304:
        found += _success_headers(operation)
    return found


def _success_headers(operation: Operation) -> list[str]:
    found = ["X-Total-Count"] if operation.paging == Paging.OFFSET else []
    if operation.paging is not None:
        found.append("Link")
    if operation.idempotent:
        found.append("Idempotency-Replayed")
    if any(response.media_types for response in operation.responses.values()):
        found.append("Content-Disposition")
    return found


def shared_parameters(operation: Operation) -> list[str]:
    """Return the names of the shared parameters of an operation."""
    names = list(PAGE_PARAMETERS[operation.paging]) if operation.paging else []
    if operation.idempotent:
        names.append("Idempotency-Key")
    if operation.etag:
        names += CONDITIONS
    if operation.if_match:
        names.append("If-Match")
    return names

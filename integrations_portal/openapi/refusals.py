"""Which errors an operation can end in: those of the door, those of its body, and its own."""

from apps.base.api import PortalView
from apps.base.error_codes import ERROR_CODES
from apps.base.operations import Operation
from apps.base.shapes import Schema, record, text

ERROR: Schema = record(
    ("fields",),
    error=text(description="A sentence that says what is wrong."),
    code=text(description="A word that does not change."),
    request_id=text(),
    docs={"type": "string", "format": "uri"},
    fields={
        "type": "object",
        "description": "The fields to blame, each with its sentences.",
        "additionalProperties": {"type": "array", "items": {"type": "string"}},
    },
)
OF_ANYBODY = ("invalid_request", "https_required", "not_acceptable", "rate_limited", "internal_error", "unavailable")
OF_A_KEY = (
    *("ambiguous_credentials", "missing_api_key", "invalid_api_key", "expired_api_key", "revoked_api_key"),
    *("disabled_api_key", "insufficient_scope", "forbidden", "ip_not_allowed", "organization_suspended"),
    "key_quarantined",
)
OF_A_BODY = ("request_timeout", "payload_too_large", "unsupported_media_type")
OF_AN_IDEMPOTENCY_KEY = ("idempotency_conflict", "idempotency_in_progress")


def codes_of(view: type[PortalView], operation: Operation, path: str) -> dict[int, list[str]]:
    """This will return the error codes that an operation can answer, by status, in the order of the list of codes."""
    found = {*OF_ANYBODY, *operation.refuses}
    if view.callers:
        found.update(OF_A_KEY)
    if operation.body is not None:
        found.update(OF_A_BODY)
    if "{" in path:
        found.add("not_found")
    if operation.etag or operation.if_match:
        found.add("precondition_failed")
    if operation.idempotent:
        found.update(OF_AN_IDEMPOTENCY_KEY)
    by_status: dict[int, list[str]] = {}
    for code, explained in ERROR_CODES.items():
        if code in found:
            by_status.setdefault(explained.status, []).append(code)
    return by_status

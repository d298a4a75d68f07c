"""The error responses of an operation, by the catalogue of error codes and by its own declaration."""

from apps.base.error_codes import ERROR_CODES, AppliesTo
from apps.base.rest.operations import Operation
from apps.base.rest.shapes import Schema, record, text
from apps.base.rest.views import PortalView

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


def codes_of(view: type[PortalView], operation: Operation, path: str) -> dict[int, list[str]]:
    """Return the error codes of an operation by status, in the order of the catalogue."""
    met = {
        AppliesTo.ALL: True,
        AppliesTo.WITH_KEY: bool(view.callers),
        AppliesTo.WITH_BODY: operation.body is not None,
        AppliesTo.ON_ONE_OBJECT: "{" in path,
        AppliesTo.CONDITIONAL: operation.etag or operation.if_match,
        AppliesTo.IDEMPOTENT: operation.idempotent,
        AppliesTo.NAMED: False,
    }
    by_status: dict[int, list[str]] = {}
    for code, explained in ERROR_CODES.items():
        if code in operation.error_codes or met[explained.of]:
            by_status.setdefault(explained.status, []).append(code)
    return by_status

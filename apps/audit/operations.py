"""The API operations of ``/v1/audit-log``: parameters and responses."""

from apps.audit.timeline.serialization import CATEGORIES, FORMATS, AuditEntrySerializer
from apps.base.rest.fields import Choice, StrictString
from apps.base.rest.operations import Operation, Paging, Parameter, ResponseSpec, time_range_parameters

KEY_ID_PATTERN = "^(key|sdk)_[0-9A-Za-z]{22}$"
FILTERS = (
    Parameter("category", Choice(CATEGORIES, "Only entries of these kinds."), many=True),
    Parameter(
        "actor",
        StrictString(
            "Only what this person or key did; `system` is the portal itself, which is also who sends deliveries.",
            pattern="^((user|key|sdk)_[0-9A-Za-z]{22}|system)$",
        ),
    ),
    Parameter(
        "action",
        StrictString(
            "Only these actions, such as `api_key.revoked`. Calls are `api.call`, deliveries `delivery.attempted`.",
            pattern="^[a-z_]+\\.[a-z_]+$",
        ),
        many=True,
    ),
    Parameter(
        "target",
        StrictString(
            "Only what was done to this: an id (`ep_…` or `dlv_…` for deliveries too), the route of a call such as "
            "`/v1/users/{id}`, the hour of a digest, or the number of a checkpoint."
        ),
    ),
    Parameter(
        "key",
        StrictString("Only what this key did, its calls included, and what was done to it.", pattern=KEY_ID_PATTERN),
    ),
    *time_range_parameters("entries"),
    Parameter(
        "request_id",
        StrictString(
            "Only the changes and calls of this request; a delivery belongs to none.", pattern="^[A-Za-z0-9._-]{8,64}$"
        ),
    ),
)

LIST_AUDIT_LOG = Operation(
    "listAuditLog",
    "List what happened, newest first, changes that are not yet sealed included.",
    {200: ResponseSpec("What happened, newest first.", AuditEntrySerializer, many=True)},
    paging=Paging.CURSOR,
    parameters=FILTERS,
)
EXPORT_AUDIT_LOG = Operation(
    "exportAuditLog",
    "Send everything that matches, changes once sealed; the rows are read while they are sent.",
    {200: ResponseSpec("The log as a file, oldest first.", media_types=("text/csv", "application/x-ndjson"))},
    parameters=(
        Parameter("format", Choice(FORMATS, "The form of the file.", example="jsonl"), required=True),
        *FILTERS,
    ),
    error_codes=("forbidden",),
)

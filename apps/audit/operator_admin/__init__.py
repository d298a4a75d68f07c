"""Base classes of the operators' admin: read-only pages, and pages whose changes are recorded in the audit log.

For tables with millions of rows: lists show the newest rows only, searches use an index, and no table is counted.
"""

from apps.audit.operator_admin.bases import FULL_KEY, AuditedAdmin, ReadOnlyAdmin, operator_of
from apps.audit.operator_admin.history import newest_changes_of
from apps.audit.operator_admin.list_search import find
from apps.audit.operator_admin.newest_rows import MAX_ROWS, CappedPaginator, limit_to_newest
from apps.audit.operator_admin.panels import (
    Cell,
    Panel,
    SummaryLine,
    change_url,
    change_url_by_id,
    changelist_url,
    link,
    local_time_text,
    organization_panels,
    table,
)

__all__ = [
    "FULL_KEY",
    "MAX_ROWS",
    "AuditedAdmin",
    "CappedPaginator",
    "Cell",
    "Panel",
    "ReadOnlyAdmin",
    "SummaryLine",
    "change_url",
    "change_url_by_id",
    "changelist_url",
    "find",
    "limit_to_newest",
    "link",
    "local_time_text",
    "newest_changes_of",
    "operator_of",
    "organization_panels",
    "table",
]

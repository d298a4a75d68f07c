"""Bases of the operators' admin: pages to read, and pages whose every change is in the audit log.

Made for tables of millions: a list shows the newest rows only, a search reads an index, and nothing is counted whole.
"""

from apps.audit.operator_admin.bases import WHOLE_KEY, AuditedAdmin, ReadOnlyAdmin, operator_of
from apps.audit.operator_admin.global_search import find
from apps.audit.operator_admin.history import newest_changes_of
from apps.audit.operator_admin.newest_rows import MAX_ROWS, CappedPaginator, limit_to_newest
from apps.audit.operator_admin.panels import (
    Cell,
    Line,
    Panel,
    change_url,
    change_url_by_id,
    changelist_url,
    link,
    local_time_text,
    of_organization,
    table,
)

__all__ = [
    "MAX_ROWS",
    "WHOLE_KEY",
    "AuditedAdmin",
    "CappedPaginator",
    "Cell",
    "Line",
    "Panel",
    "ReadOnlyAdmin",
    "change_url",
    "change_url_by_id",
    "changelist_url",
    "find",
    "limit_to_newest",
    "link",
    "local_time_text",
    "newest_changes_of",
    "of_organization",
    "operator_of",
    "table",
]

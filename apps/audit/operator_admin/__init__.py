"""Bases of the operators' admin: pages to read, and pages whose every change is in the audit log.

Made for tables of millions: a list shows the newest rows only, a search reads an index, and nothing is counted whole.
"""

from apps.audit.operator_admin.bases import WHOLE_KEY, AuditedAdmin, ReadOnlyAdmin, operator_of
from apps.audit.operator_admin.global_search import find
from apps.audit.operator_admin.history import newest_changes_of
from apps.audit.operator_admin.newest_rows import MOST_ROWS, NewestRows, newest
from apps.audit.operator_admin.panels import (
    Cell,
    Line,
    Panel,
    link,
    list_of,
    of_organization,
    page_by_id,
    page_of,
    table,
    translated_state,
)

__all__ = [
    "MOST_ROWS",
    "WHOLE_KEY",
    "AuditedAdmin",
    "Cell",
    "Line",
    "NewestRows",
    "Panel",
    "ReadOnlyAdmin",
    "find",
    "link",
    "list_of",
    "newest",
    "newest_changes_of",
    "of_organization",
    "operator_of",
    "page_by_id",
    "page_of",
    "table",
    "translated_state",
]

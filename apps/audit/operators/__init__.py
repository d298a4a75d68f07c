"""Bases of the operators' admin: pages to read, and pages whose every change is in the audit log.

Made for tables of millions: a list shows the newest rows only, a search reads an index, and nothing is counted whole.
"""

from apps.audit.operators.history import newest_changes_of
from apps.audit.operators.pages import AuditedAdmin, ReadOnlyAdmin, operator_of
from apps.audit.operators.rows import MOST_ROWS, NewestRows

__all__ = [
    "MOST_ROWS",
    "AuditedAdmin",
    "NewestRows",
    "ReadOnlyAdmin",
    "newest_changes_of",
    "operator_of",
]

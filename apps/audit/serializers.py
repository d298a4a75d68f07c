"""Rows of the log as the API shows them."""

from typing import Any

from apps.audit.sources import Party, Row
from apps.base.instants import instant_ms

DURATION_DIGITS = 3


def write_row(row: Row) -> dict[str, Any]:
    """This will return one row in the shape of ``GET /v1/audit-log``."""
    return {
        "id": row.id,
        "seq": row.seq,
        "hash": row.hash,
        "category": row.category,
        "at": instant_ms(row.at),
        "actor": _party(row.actor),
        "action": row.action,
        "sentence": row.sentence,
        "target": _party(row.target),
        "changes": row.changes,
        "outcome": str(row.outcome),
        "source": {"address": row.address, "user_agent": row.user_agent},
        "request_id": row.request_id,
        "http": _http(row),
    }


def _party(party: Party) -> dict[str, str]:
    return {"kind": party.kind, "id": party.id, "label": party.label}


def _http(row: Row) -> dict[str, Any] | None:
    if row.http is None:
        return None
    duration = row.http.duration_ms
    return {
        "method": row.http.method,
        "route": row.http.route,
        "status": row.http.status,
        "duration_ms": None if duration is None else round(duration, DURATION_DIGITS),
    }

"""Rows of the audit log as API objects and as lines of an export."""

from collections.abc import Sequence
from typing import Any

from apps.audit.timeline.sources import Party, Row
from apps.base.rest.renderers import to_json
from apps.base.timestamps import format_timestamp_ms
from apps.base.web.downloads import MARK, csv_text

DURATION_DIGITS = 3
CSV, JSONL = "csv", "jsonl"
FORMATS = (CSV, JSONL)
# JSON Lines has no registered media type; this one is the most common.
CONTENT_TYPES = {CSV: "text/csv; charset=utf-8", JSONL: "application/x-ndjson"}
COLUMNS = (
    *("id", "seq", "hash", "category", "at", "actor_kind", "actor_id", "actor_label", "action", "sentence"),
    *("target_kind", "target_id", "target_label", "changes", "outcome", "address", "user_agent", "request_id"),
    *("method", "route", "status", "duration_ms", "url"),
)  # fmt: skip


def write_row(row: Row) -> dict[str, Any]:
    """Return one row in the shape of ``GET /v1/audit-log``."""
    return {
        "id": row.id,
        "seq": row.seq,
        "hash": row.hash,
        "category": row.category,
        "at": format_timestamp_ms(row.at),
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
    http = {
        "method": row.http.method,
        "route": row.http.route,
        "status": row.http.status,
        "duration_ms": None if duration is None else round(duration, DURATION_DIGITS),
    }
    return {**http, "url": row.http.url} if row.category == "delivery" else http


def write_head(file_format: str) -> str:
    """Return the start of an export: the column names in CSV, nothing in JSON Lines."""
    return MARK + csv_text([COLUMNS]) if file_format == CSV else ""


def write_lines(file_format: str, rows: Sequence[Row]) -> str:
    """Return rows as lines of an export: JSON objects as in the API, or CSV cells that no spreadsheet evaluates."""
    objects = [write_row(row) for row in rows]
    if file_format == CSV:
        return csv_text(map(_cells, objects))
    return "".join(f"{to_json(each)}\n" for each in objects)


def write_failure(file_format: str, error: str, code: str) -> str:
    """Return the last line of an export that failed."""
    if file_format == CSV:
        return csv_text([[error, code]])
    return f"{to_json({'error': error, 'code': code})}\n"


def _cells(row: dict[str, Any]) -> list[object]:
    http = row["http"] or {}
    return [
        *(row[name] for name in ("id", "seq", "hash", "category", "at")),
        *(row["actor"][name] for name in ("kind", "id", "label")),
        *(row["action"], row["sentence"]),
        *(row["target"][name] for name in ("kind", "id", "label")),
        *(to_json(row["changes"]) if row["changes"] else "", row["outcome"]),
        *(row["source"]["address"], row["source"]["user_agent"], row["request_id"]),
        *(http.get(name) for name in ("method", "route", "status", "duration_ms", "url")),
    ]

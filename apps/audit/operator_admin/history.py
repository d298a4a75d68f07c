"""The history of a row in the operators' admin: its entries of the audit log, from whichever door they came."""

import uuid
from typing import Any

from django.db.models import Model

from apps.audit.models import AuditEntry
from apps.audit.vocabulary import sentence_for

MAX_ENTRIES = 100


def history_of(row: Model, kind: str = "") -> list[dict[str, Any]]:
    """Return what was recorded about a row, newest first, 100 at most.

    ``kind``: what the log calls such rows, needed where their ids are numbers, which rows of other kinds have as well.
    """
    if not kind and not hasattr(row, "public_id"):
        return []
    entries = AuditEntry.objects.filter(target_id=str(getattr(row, "public_id", row.pk)))
    if kind:
        entries = entries.filter(target_kind=kind)
    return _shown(entries.order_by("-pk")[:MAX_ENTRIES])


def newest_changes_of(organization_id: uuid.UUID, most: int) -> list[dict[str, Any]]:
    """Return the newest entries of one organization's log."""
    return _shown(AuditEntry.objects.filter(organization_id=organization_id).order_by("-pk")[:most])


def _shown(entries: Any) -> list[dict[str, Any]]:
    return [
        {"pk": entry.pk, "at": entry.at, "who": entry.actor_label, "sentence": sentence_for(entry),
         "changes": [{"field": name, "old": pair[0], "new": pair[1]} for name, pair in entry.changes.items()]}
        for entry in entries
    ]  # fmt: skip

"""The history of a row in the operators' admin: its audit entries from pages, API and admin."""

import uuid
from typing import Any

from django.db.models import Model

from apps.audit.models import AuditEntry
from apps.audit.vocabulary import sentence_for

MAX_ENTRIES = 100


def history_of(row: Model, kind: str = "") -> list[dict[str, Any]]:
    """Return the audit entries of a row, newest first, 100 at most.

    ``kind``: the target kind, required for rows with numeric ids, which are not unique across kinds.
    """
    if not kind and not hasattr(row, "public_id"):
        return []
    entries = AuditEntry.objects.filter(target_id=str(getattr(row, "public_id", row.pk)))
    if kind:
        entries = entries.filter(target_kind=kind)
    return _shown(entries.order_by("-pk")[:MAX_ENTRIES])


def newest_changes_of(organization_id: uuid.UUID, limit: int) -> list[dict[str, Any]]:
    """Return the newest audit entries of an organization."""
    return _shown(AuditEntry.objects.filter(organization_id=organization_id).order_by("-pk")[:limit])


def _shown(entries: Any) -> list[dict[str, Any]]:
    return [
        {"pk": entry.pk, "at": entry.at, "who": entry.actor_label, "sentence": sentence_for(entry),
         "changes": [{"field": name, "old": pair[0], "new": pair[1]} for name, pair in entry.changes.items()]}
        for entry in entries
    ]  # fmt: skip

"""Collects audit entries of the past and writes them in chronological order."""

from datetime import datetime
from typing import Any, cast
from uuid import UUID

from apps.audit.models import AuditEntry
from apps.audit.vocabulary import require_known
from apps.base.actor import Actor
from apps.base.identifiers import uuid_at


class AuditEntries:
    """Collects audit entries; nothing is written before ``write``."""

    def __init__(self) -> None:
        self._entries: list[AuditEntry] = []

    def add(
        self,
        moment: datetime,
        actor: Actor,
        action: str,
        target: tuple[str, str, str],
        changes: dict[str, list[Any]] | None = None,
    ) -> None:
        """Add one change; ``target`` is its kind, public id and label."""
        require_known(action)
        kind, public_id, label = target
        self._entries.append(
            AuditEntry(
                id=uuid_at(moment),
                organization_id=cast(UUID, actor.organization_id),
                at=moment,
                actor_kind=actor.kind,
                actor_id=actor.id,
                actor_label=actor.label,
                action=action,
                target_kind=kind,
                target_id=public_id,
                target_label=label,
                changes=changes or {},
                address=actor.address,
                user_agent=actor.user_agent,
            )
        )

    def write(self) -> None:
        """Insert every entry, oldest first."""
        AuditEntry.objects.bulk_create(sorted(self._entries, key=lambda entry: entry.pk), batch_size=50)
        self._entries.clear()

"""The newest changes from the audit log."""

from typing import Any

from apps.audit.models import AuditEntry
from apps.audit.vocabulary import sentence_for
from apps.base.actor import Actor
from apps.base.permissions import Permission

SHOWN = 6
# Hourly entries of the portal itself are not activity.
HOURLY_ACTIONS = ("audit.calls_digest", "audit.attempts_digest", "audit.events_digest")


def newest(actor: Actor) -> list[dict[str, Any]]:
    """Return who did what and when, newest first; nothing without permission to read the audit log."""
    if not actor.can(Permission.AUDIT_READ):
        return []
    rows = AuditEntry.objects.for_actor(actor).exclude(action__in=HOURLY_ACTIONS).order_by("-pk")[:SHOWN]
    return [{"who": row.actor_label, "what": sentence_for(row), "at": row.at} for row in rows]

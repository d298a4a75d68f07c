"""The audit log and usage in an export of an organization's data."""

from collections.abc import Iterator
from typing import Any

from apps.audit.models import AuditEntry, UsageDay
from apps.audit.timeline.changes_and_calls import Changes
from apps.audit.timeline.serialization import write_row
from apps.base.actor import Actor
from apps.base.extension_points.data_export_providers import in_batches
from apps.base.identifiers import encode


def usage_days(actor: Actor) -> Iterator[dict[str, Any]]:
    """Yield the daily usage rollup, oldest row first."""
    rows = UsageDay.objects.filter(organization_id=actor.organization_id)  # type: ignore[misc]  # a member has one
    for batch in in_batches(rows):
        for row in batch:
            yield {
                "day": row.day.isoformat(),
                "key": encode("key", row.credential_id) if row.credential_id.int else None,
                "method": row.method,
                "route": row.route,
                "status": row.status_class,
                "address": row.address,
                "scopes": row.scopes.split(),
                "calls": row.calls,
            }


def entries(actor: Actor) -> Iterator[dict[str, Any]]:
    """Yield the stored changes of the audit log, oldest first, in the format of the API."""
    source = Changes()
    for batch in in_batches(AuditEntry.objects.for_actor(actor).select_related("seal")):
        yield from (write_row(source.row(entry)) for entry in batch)

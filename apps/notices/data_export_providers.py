"""Notifications in an export of an organization's data."""

from collections.abc import Iterator
from typing import Any

from apps.base.actor import Actor
from apps.base.extension_points.data_export_providers import in_batches
from apps.base.timestamps import format_timestamp
from apps.notices.models import Notice


def export_notices(actor: Actor) -> Iterator[dict[str, Any]]:
    """Yield every notification."""
    for batch in in_batches(Notice.objects.for_actor(actor)):
        for row in batch:
            yield {
                "id": row.public_id,
                "kind": row.kind,
                "severity": row.severity,
                "params": row.params,
                "created_at": format_timestamp(row.created_at),
                "mailed_at": format_timestamp(row.mailed_at),
                "dismissed_at": format_timestamp(row.dismissed_at),
                "resolved_at": format_timestamp(row.resolved_at),
            }

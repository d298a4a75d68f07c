"""Webhook endpoints that a user or a key created."""

import uuid
from collections.abc import Collection

from apps.base.actor import Actor
from apps.base.extension_points.descendants import Descendant, describe
from apps.webhooks import actions
from apps.webhooks.models import Endpoint, EndpointStatus


def find(organization_id: uuid.UUID, creators: Collection[str]) -> list[Descendant]:
    """Return the endpoints that the creators created; paused and disabled endpoints are inactive."""
    rows = Endpoint.objects.existing().filter(organization_id=organization_id, created_by_id__in=creators)
    return [
        describe(
            "endpoint", row, name=row.url, status=str(row.status), is_active=row.status == EndpointStatus.ENABLED
        )
        for row in rows
    ]  # fmt: skip


def end(*, actor: Actor, id: str, reason: str) -> None:
    """Pause the endpoint, so that its deliveries are held until a user enables it again."""
    actions.pause_endpoint(actor=actor, endpoint_id=id)

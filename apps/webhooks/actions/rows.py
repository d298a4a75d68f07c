"""The locked endpoint row and the audit entry that this app's actions share."""

from typing import Any

from apps.audit import actions as audit
from apps.base.actor import Actor
from apps.webhooks.models import Endpoint


def locked_endpoint(actor: Actor, endpoint_id: str) -> Endpoint:
    """Return the endpoint with its row locked: publishing, claiming and finishing wait for it or skip it."""
    rows = Endpoint.objects.for_actor(actor).existing().select_for_update(no_key=True, of=("self",))
    endpoint: Endpoint = rows.with_public_id(endpoint_id)
    return endpoint


def record(actor: Actor, action: str, target: Any, changes: dict[str, list[Any]], label: str = "") -> None:
    """Write the audit entry of a change to an endpoint or a delivery."""
    audit.record(
        actor=actor,
        action=action,
        target_kind=target._meta.model_name,
        target_id=target.public_id,
        target_label=label or target.shown_url,
        changes=changes,
        organization_id=target.organization_id,
    )

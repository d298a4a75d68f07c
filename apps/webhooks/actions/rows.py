"""Lock the row of an endpoint."""

from apps.base.actor import Actor
from apps.webhooks.models import Endpoint


def lock_endpoint(actor: Actor, endpoint_id: str) -> Endpoint:
    """Return the endpoint with its row locked: publishing, claiming and finishing wait for it or skip it."""
    rows = Endpoint.objects.for_actor(actor).existing().select_for_update(no_key=True, of=("self",))
    endpoint: Endpoint = rows.with_public_id(endpoint_id)
    return endpoint

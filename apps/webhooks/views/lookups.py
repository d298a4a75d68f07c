"""Look up endpoints for several pages."""

from apps.base.requests import PortalRequest
from apps.webhooks.models import Endpoint


def get_endpoint(request: PortalRequest, endpoint_id: str) -> Endpoint:
    """Return an endpoint that isn't deleted, or raise NotFound."""
    return Endpoint.objects.for_actor(request.actor).existing().with_public_id(endpoint_id)

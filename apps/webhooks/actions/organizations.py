"""Stop all sending for an organization that closes."""

import uuid

from django.db.models.functions import Now

from apps.webhooks.engine import claims
from apps.webhooks.models import Endpoint, EndpointStatus, ReplayJob, ReplayStatus

REASON = "organization_closed"


def stop_for_organization(*, organization_id: uuid.UUID) -> tuple[int, int]:
    """Disable all endpoints, discard unfinished deliveries and cancel replays.

    Returns the numbers of endpoints disabled and deliveries discarded. Call it in the transaction that closes the
    organization, after its row was changed: deliveries created from then on are held and never sent.
    """
    rows = Endpoint.objects.existing().filter(organization_id=organization_id)
    endpoints = list(rows.order_by("pk").select_for_update(no_key=True).values_list("pk", flat=True))
    enabled = rows.exclude(status=EndpointStatus.DISABLED)
    disabled = enabled.update(status=EndpointStatus.DISABLED, disabled_reason=REASON, disabled_at=Now())
    dropped = sum(claims.drop(endpoint) for endpoint in endpoints)
    replays = ReplayJob.objects.unfinished().filter(organization_id=organization_id)
    replays.update(status=ReplayStatus.CANCELLED, finished_at=Now())
    return disabled, dropped

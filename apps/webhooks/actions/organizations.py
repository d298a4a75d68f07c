"""The end of all sending for an organization that closes."""

import uuid

from django.db.models.functions import Now

from apps.webhooks.engine import claims
from apps.webhooks.models import Endpoint, EndpointStatus, ReplayJob, ReplayStatus

REASON = "organization_closed"


def stop_for_organization(*, organization_id: uuid.UUID) -> tuple[int, int]:
    """Disable every endpoint, drop what waits and stop replays; returns how many endpoints and deliveries.

    Call it within the transaction that closed the organization, after its row was changed: what is published or
    finished from then on is held, and sent to nobody.
    """
    rows = Endpoint.objects.existing().filter(organization_id=organization_id)
    endpoints = list(rows.order_by("pk").select_for_update(no_key=True).values_list("pk", flat=True))
    open_ones = rows.exclude(status=EndpointStatus.DISABLED)
    disabled = open_ones.update(status=EndpointStatus.DISABLED, disabled_reason=REASON, disabled_at=Now())
    dropped = sum(claims.drop(endpoint) for endpoint in endpoints)
    replays = ReplayJob.objects.unfinished().filter(organization_id=organization_id)
    replays.update(status=ReplayStatus.CANCELLED, finished_at=Now())
    return disabled, dropped

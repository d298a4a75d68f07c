"""Send tests and resend deliveries, and hold deliveries while an organization is suspended."""

import uuid

from django.db import transaction
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from apps.audit import actions as audit
from apps.base.actor import Actor
from apps.base.errors import Conflict, Invalid
from apps.base.permissions import Permission
from apps.webhooks import publishing
from apps.webhooks.actions.checks import check_enabled, check_test_rate
from apps.webhooks.actions.rows import lock_endpoint
from apps.webhooks.engine import claims, wakeup
from apps.webhooks.models import (
    FINISHED_DELIVERIES,
    Delivery,
    Endpoint,
    EndpointStatus,
    Event,
    EventType,
    ReplayJob,
    ReplayStatus,
)
from apps.webhooks.types.catalogue import patterns_for
from apps.webhooks.types.scopes import require_scopes

ORGANIZATION_CLOSED = "organization_closed"

TEST_EVENT_TYPE = "order.created"


@transaction.atomic
def send_test(*, actor: Actor, endpoint_id: str, event_type: str | None = None) -> Delivery:
    """Send the sample of an event type once, also to a paused or disabled endpoint.

    Without ``event_type``, one that the endpoint is subscribed to is chosen. Raise RateLimited after TESTS_PER_MINUTE.
    """
    actor.require(Permission.WEBHOOKS_WRITE)
    endpoint = lock_endpoint(actor, endpoint_id)
    row = EventType.objects.filter(name=event_type).first() if event_type else _type_for_test(endpoint)
    if row is None:
        raise Invalid.field("event_type", _("There is no such event type."))
    check_test_rate(endpoint.organization_id)
    accepted = publishing.publish(
        organization_id=endpoint.organization_id, event_type=row.name, data=row.sample, publisher="own", test=True
    )
    delivery = claims.send_test(Event.objects.get(pk=accepted.event_id), endpoint)
    audit.record_change(actor, "endpoint.tested", endpoint, {"event_type": [None, row.name]})
    transaction.on_commit(wakeup.notify_workers)
    return delivery


@transaction.atomic
def retry_delivery(*, actor: Actor, delivery_id: str) -> Delivery:
    """Send a pending delivery now, or resend a finished one as a new delivery; raise Conflict for any other."""
    actor.require(Permission.WEBHOOKS_WRITE)
    rows = Delivery.objects.for_actor(actor).select_related("event", "endpoint")
    delivery: Delivery = rows.with_public_id(delivery_id)
    require_scopes(actor, [] if delivery.test else [delivery.event_type])
    endpoint = Endpoint.objects.select_for_update(no_key=True).get(pk=delivery.endpoint_id)
    check_enabled(endpoint)
    if delivery.status in FINISHED_DELIVERIES:
        # Locked, so that retention cannot delete the payload between this check and the new delivery.
        if Event.objects.select_for_update(no_key=True).get(pk=delivery.event_id).body is None:
            raise Conflict(_("The payload was removed when its retention ended."))
        delivery = claims.resend(delivery)
    elif not claims.send_now(delivery.pk):
        raise Conflict(_("The delivery is being sent or held."))
    audit.record_change(actor, "delivery.retried", delivery, {"endpoint": [None, endpoint.shown_url]})
    delivery.refresh_from_db()
    transaction.on_commit(wakeup.notify_workers)
    return delivery


def _type_for_test(endpoint: Endpoint) -> EventType | None:
    """Return an event type that the endpoint is subscribed to, preferably TEST_EVENT_TYPE."""
    wanted = set(endpoint.event_types)
    rows = sorted(EventType.objects.all(), key=lambda row: (row.name != TEST_EVENT_TYPE, row.name))
    return next((row for row in rows if wanted.intersection(patterns_for(row.name))), None)


def hold_for_suspension(*, organization_id: uuid.UUID) -> int:
    """Hold the pending deliveries of a suspended organization and return their number.

    Call this after the organization's row has been changed.
    """
    return claims.hold_organization(organization_id)


def release_after_suspension(*, organization_id: uuid.UUID) -> int:
    """Queue the held deliveries of a resumed organization and return their number.

    Call this after the organization's row has been changed.
    """
    transaction.on_commit(wakeup.notify_workers)
    return claims.release_organization(organization_id)


def stop_for_organization(*, organization_id: uuid.UUID) -> tuple[int, int]:
    """Disable all endpoints, discard unfinished deliveries and cancel replays.

    Return the numbers of endpoints disabled and deliveries discarded. Call this in the transaction that closes the
    organization, after its row has been changed: deliveries that are created later are held and never sent.
    """
    rows = Endpoint.objects.existing().filter(organization_id=organization_id)
    endpoints = list(rows.order_by("pk").select_for_update(no_key=True).values_list("pk", flat=True))
    enabled = rows.exclude(status=EndpointStatus.DISABLED)
    disabled = enabled.update(status=EndpointStatus.DISABLED, disabled_reason=ORGANIZATION_CLOSED, disabled_at=Now())
    dropped = sum(claims.drop(endpoint) for endpoint in endpoints)
    replays = ReplayJob.objects.unfinished().filter(organization_id=organization_id)
    replays.update(status=ReplayStatus.CANCELLED, finished_at=Now())
    return disabled, dropped

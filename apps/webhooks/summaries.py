"""Figures about deliveries for pages."""

from datetime import timedelta

from django.db.models import Count
from django.utils import timezone

from apps.base.actor import Actor
from apps.webhooks.models import Delivery, DeliveryStatus


def deliveries_24h(actor: Actor) -> dict[str, int]:
    """This will count the deliveries made in the last 24 hours by where they stand."""
    since = timezone.now() - timedelta(hours=24)
    rows = Delivery.objects.for_actor(actor).filter(created_at__gte=since, test=False)
    return dict(rows.values_list("status").annotate(count=Count("pk")).order_by())


def has_delivered(actor: Actor) -> bool:
    """This will tell whether any event ever arrived."""
    return Delivery.objects.for_actor(actor).filter(status=DeliveryStatus.SUCCEEDED).exists()

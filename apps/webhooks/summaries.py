"""Figures about deliveries for pages."""

from apps.base.actor import Actor
from apps.webhooks import hours
from apps.webhooks.models import Delivery, DeliveryStatus


def attempts_24h(actor: Actor) -> tuple[int, int]:
    """This will count the attempts of the last 24 hours that delivered, and those that failed."""
    rows = [row for series in hours.last_24h(actor).values() for row in series]
    return sum(good for good, _bad in rows), sum(bad for _good, bad in rows)


def has_delivered(actor: Actor) -> bool:
    """This will tell whether any event ever arrived."""
    return Delivery.objects.for_actor(actor).filter(status=DeliveryStatus.SUCCEEDED).exists()

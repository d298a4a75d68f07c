"""Attempts of deliveries as rows of the audit timeline."""

import uuid
from typing import Any, cast

from apps.audit.sources import Filters, Http, Party, Row, key_range
from apps.audit.vocabulary import write
from apps.base.actor import Actor, ActorKind
from apps.base.identifiers import decode, encode
from apps.webhooks.models import Attempt, Delivery, Endpoint

ACTION = "delivery.attempted"
SENDER = Party(ActorKind.SYSTEM.value, "system", "Portal")
# Not the endpoint's own row: its encrypted headers and the bodies of answers have no place in a list.
COLUMNS = (
    "pk",
    "started_at",
    "endpoint_id",
    "duration_ms",
    "status_code",
    "error",
    "number",
    "delivery_id",
    "delivery__event_type",
    "delivery__endpoint__url",
)


def rows(actor: Actor, filters: Filters, before: uuid.UUID | None, limit: int) -> list[Row]:
    """This will return the newest finished attempts that match; nobody but the portal sends."""
    if not _can_match(filters):
        return []
    found = Attempt.objects.for_actor(actor).exclude(finished_at=None).filter(**key_range(filters, before))
    if filters.since is not None:
        found = found.filter(started_at__gte=filters.since)
    if filters.until is not None:
        found = found.filter(started_at__lt=filters.until)
    if filters.target:
        endpoint, delivery = decode(Endpoint.id_prefix, filters.target), decode(Delivery.id_prefix, filters.target)
        found = found.filter(delivery_id=delivery) if delivery else found.filter(endpoint_id=cast(uuid.UUID, endpoint))
    return [_row(values) for values in found.order_by("-pk").values(*COLUMNS)[:limit]]


def _can_match(filters: Filters) -> bool:
    if filters.key or filters.request_id or filters.action not in ("", ACTION) or filters.actor not in ("", SENDER.id):
        return False
    if filters.who and filters.who != SENDER.id and filters.who.lower() not in SENDER.label.lower():
        return False
    known = (decode(prefix, filters.target) for prefix in (Endpoint.id_prefix, Delivery.id_prefix))
    return not filters.target or any(known)


def _row(values: dict[str, Any]) -> Row:
    url, event_type = values["delivery__endpoint__url"], values["delivery__event_type"]
    return Row(
        key=values["pk"],
        category="delivery",
        at=values["started_at"],
        actor=SENDER,
        action=ACTION,
        sentence=write(ACTION, {"actor": SENDER.label, "target": url, "event": event_type}),
        target=Party("endpoint", encode(Endpoint.id_prefix, values["endpoint_id"]), url),
        outcome="failure" if values["error"] else "success",
        http=Http("POST", url, values["status_code"], values["duration_ms"]),
        link=f"settings/integration/deliveries/{encode(Delivery.id_prefix, values['delivery_id'])}/",
    )

"""Provide attempts of deliveries for the audit timeline."""

from typing import Any

from django.db.models import QuerySet

from apps.audit.timeline.sources import EntityRef, Filters, Http, Row, TimelineSource, uuid7_ceil
from apps.audit.vocabulary import render_sentence
from apps.base.actor import Actor, ActorKind
from apps.base.identifiers import decode, encode, uuid_time
from apps.base.text.redaction import hide_query_values
from apps.webhooks.models import Attempt, Delivery, Endpoint
from apps.webhooks.models.deliveries import is_unchanged_since

ACTION = "delivery.attempted"
SENDER = EntityRef(ActorKind.SYSTEM.value, "system", "Portal")
# Without encrypted headers and response bodies, which a list does not need.
COLUMNS = (
    "pk",
    "endpoint_id",
    "duration_ms",
    "status_code",
    "error",
    "number",
    "delivery_id",
    "delivery__event_type",
    "started_at",
    "url",
    "delivery__endpoint__url",
    "delivery__endpoint__created_at",
    "delivery__endpoint__updated_at",
)


class Attempts(TimelineSource):
    """Finished attempts, all with ``SENDER`` as the actor.

    The time of a row is that of its key, which is when the attempt was recorded. If rows were sorted by start, a slow
    attempt would appear between rows that a client has already read.
    """

    def querysets(self, actor: Actor, filters: Filters) -> list[QuerySet[Any]]:
        """Return the matching attempts; filters by key or request match no attempts."""
        if filters.key or filters.request_id:
            return []
        if filters.actor not in ("", SENDER.id) or (filters.actions and ACTION not in filters.actions):
            return []
        found: QuerySet[Any] = Attempt.objects.for_actor(actor).exclude(finished_at=None)
        if filters.since is not None:
            found = found.filter(pk__gte=uuid7_ceil(filters.since))
        if filters.until is not None:
            found = found.filter(pk__lt=uuid7_ceil(filters.until))
        if filters.target:
            endpoint, delivery = (decode(model.id_prefix, filters.target) for model in (Endpoint, Delivery))
            if endpoint is None and delivery is None:
                return []
            found = found.filter(delivery_id=delivery) if delivery else found.filter(endpoint_id=endpoint)
        return [found.values(*COLUMNS)]

    def row(self, found: dict[str, Any]) -> Row:
        url, event_type = _url_of(found), found["delivery__event_type"]
        endpoint_id = encode(Endpoint.id_prefix, found["endpoint_id"])
        target = EntityRef("endpoint", endpoint_id, url or endpoint_id)
        return Row(
            key=found["pk"],
            category="delivery",
            at=uuid_time(found["pk"]),
            actor=SENDER,
            action=ACTION,
            sentence=render_sentence(ACTION, {"actor": SENDER.label, "target": target.label, "event": event_type}),
            target=target,
            outcome="failure" if found["error"] else "success",
            http=Http("POST", url or "", found["status_code"], found["duration_ms"], url),
            link=f"settings/integration/deliveries/{encode(Delivery.id_prefix, found['delivery_id'])}/",
        )


def _url_of(found: dict[str, Any]) -> str | None:
    """Return the stored URL of an attempt, or the endpoint's if it is unchanged since the attempt."""
    stored: str | None = found["url"]
    times = [found[f"delivery__endpoint__{name}"] for name in ("created_at", "updated_at")]
    if stored is None and is_unchanged_since(found["started_at"], *times):
        return hide_query_values(found["delivery__endpoint__url"])
    return stored


def endpoints(actor: Actor, limit: int) -> list[EntityRef]:
    """Return the newest endpoints, including deleted ones, for the filters of the audit page."""
    rows = Endpoint.objects.for_actor(actor).order_by("-pk").only("pk", "url")[:limit]
    return [EntityRef("endpoint", row.public_id, row.shown_url) for row in rows]


attempts = Attempts()

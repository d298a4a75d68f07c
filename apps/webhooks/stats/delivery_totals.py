"""Count deliveries by state, to prove that none is lost: accepted deliveries equal the sum over all states.

Both are counted separately in one statement, for the same point in time: the accepted deliveries as the number of
endpoints that each event matched when it was stored, and the states from the deliveries. The retention job adds the
numbers of the rows that it deletes.
"""

import time
import uuid
from collections.abc import Mapping
from datetime import timedelta

from django.db import connection
from django.db.models import F, Q
from django.utils import timezone

from apps.base.actor import Actor
from apps.orgs.models import Organization, OrganizationStatus
from apps.webhooks.models import DeliveryBalance

COUNT_EVERY = timedelta(minutes=1)
# The share of time that counting can take: large tables are counted less often.
MAX_TIME_SHARE = 1 / 100
MAX_SECONDS = 1.0
STATES = ("delivered", "waiting", "sending", "held", "exhausted", "dropped")
PRUNED = {
    "accepted": "pruned_accepted",
    "succeeded": "pruned_delivered",
    "exhausted": "pruned_exhausted",
    "dropped": "pruned_dropped",
}
COUNT = """
SELECT coalesce((SELECT sum(match_count) FROM webhooks_event WHERE organization_id = %s AND NOT test), 0),
    count(*) FILTER (WHERE status = 'succeeded'), count(*) FILTER (WHERE status = 'pending'),
    count(*) FILTER (WHERE status = 'sending'), count(*) FILTER (WHERE status = 'held'),
    count(*) FILTER (WHERE status = 'exhausted'), count(*) FILTER (WHERE status = 'dropped'),
    (SELECT sum(size) FROM webhooks_fanoutbatch WHERE organization_id = %s),
    (SELECT pruned_accepted FROM webhooks_deliverybalance WHERE organization_id = %s),
    (SELECT pruned_delivered FROM webhooks_deliverybalance WHERE organization_id = %s),
    (SELECT pruned_exhausted FROM webhooks_deliverybalance WHERE organization_id = %s),
    (SELECT pruned_dropped FROM webhooks_deliverybalance WHERE organization_id = %s)
FROM webhooks_delivery WHERE organization_id = %s AND NOT test AND replay_of_id IS NULL
"""


def count(organization_id: uuid.UUID) -> DeliveryBalance:
    """Count an organization's deliveries now and return the totals unsaved; this is slow for large tables."""
    key = organization_id if connection.vendor == "postgresql" else organization_id.hex
    with connection.cursor() as cursor:
        cursor.execute(COUNT, [key] * 7)
        row = [int(value or 0) for value in cursor.fetchone()]
    accepted, delivered, waiting, sending, held, exhausted, dropped, uncreated, *pruned = row
    return DeliveryBalance(
        organization_id=organization_id,
        accepted=accepted + pruned[0],
        delivered=delivered + pruned[1],
        # ``uncreated``: deliveries of events with very many endpoints, which workers create later.
        waiting=waiting + uncreated,
        sending=sending,
        held=held,
        exhausted=exhausted + pruned[2],
        dropped=dropped + pruned[3],
        counted_at=timezone.now(),
    )


def last_counted(actor: Actor) -> DeliveryBalance | None:
    """Return the organization's totals as last counted, or None before the first count."""
    return DeliveryBalance.objects.for_actor(actor).exclude(counted_at=None).first()


# The periodic job webhooks.count_deliveries (apps.py).
def count_all() -> int:
    """Count and store the totals that are due and return their number."""
    _create_missing_rows()
    until, counted = time.monotonic() + MAX_SECONDS, 0
    due = DeliveryBalance.objects.filter(_is_due()).order_by(F("count_again_at").asc(nulls_first=True))
    for key, organization_id in due.values_list("pk", "organization_id"):
        if time.monotonic() > until:
            break
        # Rescheduled before counting, so that no other worker counts the same organization.
        if DeliveryBalance.objects.filter(_is_due(), pk=key).update(count_again_at=timezone.now() + COUNT_EVERY):
            _count_and_store(organization_id)
            counted += 1
    return counted


def _is_due() -> Q:
    return Q(count_again_at=None) | Q(count_again_at__lte=timezone.now())


def _count_and_store(organization_id: uuid.UUID) -> None:
    started = time.monotonic()
    totals = count(organization_id)
    wait = max(COUNT_EVERY, timedelta(seconds=(time.monotonic() - started) / MAX_TIME_SHARE))
    values = {name: getattr(totals, name) for name in ("accepted", *STATES, "counted_at")}
    rows = DeliveryBalance.objects.filter(organization_id=organization_id)
    rows.update(**values, count_again_at=timezone.now() + wait)


def _create_missing_rows() -> None:
    known = DeliveryBalance.objects.values("organization_id")
    missing = Organization.objects.exclude(pk__in=known).exclude(status=OrganizationStatus.CLOSED)
    new = [DeliveryBalance(organization_id=key) for key in missing.values_list("pk", flat=True)]
    if new:
        DeliveryBalance.objects.bulk_create(new, ignore_conflicts=True)


def add_pruned(removed: Mapping[tuple[uuid.UUID, str], int]) -> None:
    """Add the numbers of deleted rows by organization and state: ``accepted``, or the status of the deliveries."""
    for organization_id, state in sorted(removed):
        DeliveryBalance.objects.get_or_create(organization_id=organization_id)
        field = PRUNED[state]
        rows = DeliveryBalance.objects.filter(organization_id=organization_id)
        rows.update(**{field: F(field) + removed[organization_id, state]})

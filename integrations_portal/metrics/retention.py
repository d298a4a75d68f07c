"""Retention lag: by how much the oldest row that should have been deleted exceeds its retention.

Each kind reads the oldest rows of its table by index, up to a limit, and skips those that can stay longer (pending
deliveries and their payloads). Only the portal's retention is considered, not the shorter one of an organization.
"""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import DatabaseError, models
from django.db.models import Exists, OuterRef, Q
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from apps.audit.models import ApiCall, AuditEntry, AuditExport, ExportStatus
from apps.audit.retention.trimming import TRIMMED
from apps.base.identifiers import uuid_at, uuid_time
from apps.base.timestamps import database_now
from apps.credentials.idempotency_store import RETENTION
from apps.credentials.models import IdempotencyRecord
from apps.notices.models import Notice
from apps.orgs.mail.jobs import CLOSED_RETENTION, SENT_RETENTION
from apps.orgs.models import Organization, OrganizationStatus, OutgoingMail
from apps.webhooks.jobs.retention import has_unfinished_deliveries
from apps.webhooks.models import UNFINISHED_DELIVERIES, Attempt, Delivery, Event

MAX_ROWS = 500
MAX_PAYLOAD_ROWS = 20
NOTHING = timedelta(0)


def _lag_by_key(model: type[models.Model], cutoff: datetime, deletable: Q | None = None) -> timedelta:
    """Return by how much the oldest row, by its time-ordered primary key, is older than the cut."""
    rows: Any = model._default_manager
    keys = list(rows.filter(pk__lt=uuid_at(cutoff)).order_by("pk").values_list("pk", flat=True)[:MAX_ROWS])
    if keys and deletable is not None:
        keys = list(rows.filter(deletable, pk__in=keys).order_by("pk").values_list("pk", flat=True)[:1])
    return cutoff - uuid_time(keys[0]) if keys else NOTHING


def _lag_by_field(rows: models.QuerySet[Any], field: str, cutoff: datetime) -> timedelta:
    oldest = rows.filter(**{f"{field}__lt": cutoff}).order_by(field).values_list(field, flat=True).first()
    return cutoff - oldest if oldest else NOTHING


def _calls(now: datetime) -> timedelta:
    return _lag_by_key(ApiCall, now - timedelta(days=settings.RETENTION_DAYS_API_CALLS))


def _payloads(now: datetime) -> timedelta:
    """Return the lag by probing 1, 2, 4 … hours past the cut: the oldest rows no longer have a payload."""
    cutoff, lag = now - timedelta(days=settings.RETENTION_DAYS_EVENTS), NOTHING
    for hours in (2**power for power in range(14)):
        before = Event.objects.filter(pk__lt=uuid_at(cutoff - timedelta(hours=hours))).order_by("-pk")
        keys = list(before.values_list("pk", flat=True)[:MAX_PAYLOAD_ROWS])
        if not Event.objects.filter(~has_unfinished_deliveries(), pk__in=keys, body__isnull=False).exists():
            break
        lag = timedelta(hours=hours)
    return lag


def _attempts(now: datetime) -> timedelta:
    cutoff = now - timedelta(days=settings.RETENTION_DAYS_ATTEMPTS)
    return _lag_by_key(Attempt, cutoff, ~Q(delivery__status__in=UNFINISHED_DELIVERIES))


def _deliveries(now: datetime) -> timedelta:
    cutoff = now - timedelta(days=settings.RETENTION_DAYS_DELIVERIES)
    return _lag_by_key(Delivery, cutoff, Q(finished_at__lt=cutoff) & ~Q(status__in=UNFINISHED_DELIVERIES))


def _events(now: datetime) -> timedelta:
    days = max(settings.RETENTION_DAYS_DELIVERIES, settings.RETENTION_DAYS_EVENTS)
    alone = ~Exists(Delivery.objects.filter(event=OuterRef("pk")))
    return _lag_by_key(Event, now - timedelta(days=days), Q(alone) & ~has_unfinished_deliveries())


def _audit(now: datetime) -> timedelta:
    """Return the lag of the audit log; entries about trimming can be the last ones and stay."""
    return _lag_by_key(AuditEntry, now - timedelta(days=settings.RETENTION_DAYS_AUDIT), ~Q(action=TRIMMED))


def _notices(now: datetime) -> timedelta:
    return _lag_by_key(Notice, now - timedelta(days=settings.RETENTION_DAYS_NOTICES))


def _mail(now: datetime) -> timedelta:
    """Return the lag among the mails created first: there is no index by time of sending."""
    first = OutgoingMail.objects.order_by("pk").values_list("pk", flat=True)[:MAX_ROWS]
    rows = OutgoingMail.objects.filter(pk__in=list(first))
    given_up = rows.filter(sent_at=None, next_attempt_at=None)
    return max(
        _lag_by_field(rows, "sent_at", now - SENT_RETENTION),
        _lag_by_field(given_up, "created_at", now - CLOSED_RETENTION),
    )


LAG_BY_KIND: dict[str, Callable[[datetime], timedelta]] = {
    "attempts": _attempts,
    "audit": _audit,
    "calls": _calls,
    "closed_organizations": lambda now: _lag_by_field(
        Organization.objects.filter(status=OrganizationStatus.CLOSED, purged_at=None), "kept_until", now
    ),
    "deliveries": _deliveries,
    "events": _events,
    "exports": lambda now: _lag_by_field(AuditExport.objects.filter(status=ExportStatus.DONE), "expires_at", now),
    "idempotency_records": lambda now: _lag_by_field(IdempotencyRecord.objects.all(), "reserved_at", now - RETENTION),
    "mail": _mail,
    "notices": _notices,
    "payloads": _payloads,
    "sessions": lambda now: _lag_by_field(Session.objects.all(), "expire_date", now),
}


class RetentionCollector(Collector):
    def collect(self) -> Iterator[Metric]:
        """Return the lag of every kind in seconds, 0 if there is none; nothing without a database."""
        family = GaugeMetricFamily(
            "portal_retention_lag_seconds", "By how much the oldest row of a kind has outstayed its days.",
            labels=["kind"],
        )  # fmt: skip
        try:
            now = database_now()
            for kind, lag in LAG_BY_KIND.items():
                family.add_metric([kind], lag(now).total_seconds())
        except DatabaseError:
            return
        yield family

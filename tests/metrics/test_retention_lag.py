"""How far retention is behind: the oldest row that should be gone, and none that may stay."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.sessions.models import Session
from django.utils import timezone

from apps.audit.models import ApiCall, AuditEntry, AuditExport
from apps.audit.retention.trimming import TRIMMED
from apps.base.identifiers import uuid_at
from apps.credentials.models import IdempotencyRecord
from apps.notices.models import Notice
from apps.orgs.models import Organization, OrganizationStatus, OutgoingMail
from apps.webhooks.models import Attempt, Delivery, Event
from tests.engines import make_endpoint, publish
from tests.metrics.scraping import labels, samples

pytestmark = pytest.mark.django_db
HOUR, DAY = 3600.0, 86400.0


def lag(kind: str) -> float:
    return samples()[("portal_retention_lag_seconds", labels(kind=kind))]


def days_ago(days: float) -> Any:
    return timezone.now() - timedelta(days=days)


def insert(model: Any, days: float, **values: Any) -> Any:
    row = model(pk=uuid_at(days_ago(days)), **values)
    row.save(force_insert=True)
    return row


def delivered(acme: Organization, days: float, **values: Any) -> Delivery:
    """An event, its delivery and its attempt, so many days old."""
    endpoint = make_endpoint(acme)
    event = Event.objects.get(pk=publish(acme).event_id)
    Delivery.objects.filter(event=event).delete()
    Event.objects.filter(pk=event.pk).delete()
    event.pk = uuid_at(days_ago(days))
    event.save(force_insert=True)
    given = {"status": "succeeded", "finished_at": days_ago(days), "created_at": days_ago(days), **values}
    delivery = insert(Delivery, days, organization=acme, endpoint=endpoint, event=event, event_type=event.type, **given)
    insert(
        Attempt,
        days,
        organization=acme,
        endpoint_id=endpoint.pk,
        delivery=delivery,
        number=1,
        started_at=days_ago(days),
    )
    return delivery


def test_what_was_delivered_goes_by_its_days(acme, settings):
    delivery = delivered(acme, 91)
    assert (lag("attempts"), lag("deliveries")) == (pytest.approx(61 * DAY, abs=60), pytest.approx(DAY, abs=60))
    assert lag("events") == 0, "a delivery speaks of it"
    assert lag("payloads") == 1024 * HOUR, "61 days, in powers of two"
    Attempt.objects.all().delete()
    delivery.delete()
    assert lag("attempts") == lag("deliveries") == 0
    assert lag("events") == pytest.approx(DAY, abs=60)
    Event.objects.update(body=None)
    assert lag("payloads") == 0


def test_what_waits_may_stay(acme):
    delivered(acme, 91, status="held", finished_at=None)
    assert [lag(kind) for kind in ("attempts", "deliveries", "events", "payloads")] == [0] * 4


def test_what_is_young_may_stay(acme):
    delivered(acme, 29)
    assert [lag(kind) for kind in ("attempts", "deliveries", "events", "payloads")] == [0] * 4


def test_calls_entries_and_notices_go_by_their_days(acme):
    insert(ApiCall, 92, organization=acme, at=days_ago(92), actor_kind="api_key", actor_id="key_1", actor_label="x",
           method="GET", route="/v1/users", status=200, duration_ms=1)  # fmt: skip
    insert(AuditEntry, 400, organization=acme, action=TRIMMED, actor_kind="system", target_kind="x")
    assert lag("audit") == 0, "notes of cuts stay"
    insert(AuditEntry, 370, organization=acme, action="a.b", actor_kind="system", target_kind="x")
    insert(Notice, 366, organization=acme, kind="endpoint.failing", dedupe_key="x", severity="warn")
    assert lag("calls") == pytest.approx(2 * DAY, abs=60)
    assert lag("audit") == pytest.approx(5 * DAY, abs=60)
    assert lag("notices") == pytest.approx(DAY, abs=60)


def test_what_has_its_own_time_goes_by_that(acme):
    Session.objects.create(session_key="x", session_data="", expire_date=days_ago(2))
    OutgoingMail.objects.create(to="a@x.example", subject="s", body="b", sent_at=days_ago(33), next_attempt_at=None)
    insert(AuditExport, 9, organization=acme, status="done", expires_at=days_ago(1), created_at=days_ago(9),
           file_format="csv", created_by_id="x", created_by_label="x")  # fmt: skip
    insert(IdempotencyRecord, 3, organization=acme, lookup="x", body_digest="x", pepper_id="t1", token=uuid4(),
           credential_id=uuid4(), reserved_at=days_ago(3))  # fmt: skip
    Organization.objects.filter(pk=acme.pk).update(status=OrganizationStatus.CLOSED, kept_until=days_ago(4))
    found = {"sessions": 2, "mail": 3, "exports": 1, "idempotency_records": 2, "closed_organizations": 4}
    assert {kind: lag(kind) for kind in found} == {
        kind: pytest.approx(days * DAY, abs=60) for kind, days in found.items()
    }

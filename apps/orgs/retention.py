"""For how long an organization's rows are kept: its own days, within what the operator's settings allow."""

import uuid
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone

from apps.audit.models import ApiCall, AuditEntry
from apps.base.identifiers import uuid_at
from apps.orgs.models import Organization
from apps.webhooks.models import Delivery

# Kind → the setting that is the portal's own figure, and so the most that an organization may choose.
MOST = {
    "audit": "RETENTION_DAYS_AUDIT",
    "calls": "RETENTION_DAYS_API_CALLS",
    "deliveries": "RETENTION_DAYS_DELIVERIES",
}
LEAST = {"audit": 30, "calls": 1, "deliveries": 1}
MOST_COUNTED = 10_000


def most_days(kind: str) -> int:
    """This will return the portal's own days of a kind: audit, calls or deliveries."""
    days: int = getattr(settings, MOST[kind])
    return days


def field_of(kind: str) -> str:
    """This will return the organization's field for a kind."""
    return f"retention_days_{kind}"


def days_for(kind: str) -> dict[uuid.UUID, int]:
    """This will return the days of each organization that keeps rows of a kind for a shorter time than the portal.

    What retention asks beside the portal's own figure (``settings.PORTAL_RETENTION``); usually few or none.
    """
    field = field_of(kind)
    rows = Organization.objects.filter(**{f"{field}__lt": most_days(kind)})
    return dict(rows.values_list("pk", field))


def going(organization: Organization, kind: str, days: int) -> dict[str, Any]:
    """This will tell how many rows of a kind are older than so many days: exact up to 10,000, then ``many``."""
    model = {"audit": AuditEntry, "calls": ApiCall, "deliveries": Delivery}[kind]
    before = uuid_at(timezone.now() - timedelta(days=days))
    rows = model._default_manager.filter(organization_id=organization.pk, pk__lt=before)
    count = rows.order_by("pk")[: MOST_COUNTED + 1].count()
    return {"days": days, "count": min(count, MOST_COUNTED), "many": count > MOST_COUNTED}

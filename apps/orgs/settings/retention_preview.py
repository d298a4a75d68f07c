"""Counts of the rows that a shorter retention would remove."""

from datetime import timedelta
from typing import Any

from django.utils import timezone

from apps.audit.models import ApiCall, AuditEntry
from apps.base.identifiers import uuid_at
from apps.orgs.models import Organization
from apps.webhooks.models import Delivery

MAX_COUNTED = 10_000


def preview_removal(organization: Organization, kind: str, days: int) -> dict[str, Any]:
    """Return the number of rows of a kind that are older than ``days``: exact up to 10,000, then ``many``."""
    model = {"audit": AuditEntry, "calls": ApiCall, "deliveries": Delivery}[kind]
    before = uuid_at(timezone.now() - timedelta(days=days))
    rows = model._default_manager.filter(organization_id=organization.pk, pk__lt=before)
    count = rows.order_by("pk")[: MAX_COUNTED + 1].count()
    return {"days": days, "count": min(count, MAX_COUNTED), "many": count > MAX_COUNTED}

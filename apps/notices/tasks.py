"""The periodic job that expires old notifications, run by every worker."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from apps.base.identifiers import uuid_at
from apps.notices.models import Notice, Severity

INFORMATIONAL = (Severity.INFO, Severity.OK)
INFORMATIONAL_LIFETIME = timedelta(days=30)
BATCH = 500


# The periodic job notices.delete_expired (apps.py).
def delete_expired(now: datetime | None = None) -> int:
    """Resolve informational notifications after a month and others after their retention period; delete closed ones.

    Returns how many were deleted, at most a batch.
    """
    now = now or timezone.now()
    cutoff = uuid_at(now - timedelta(days=settings.RETENTION_DAYS_NOTICES))
    month_ago = uuid_at(now - INFORMATIONAL_LIFETIME)
    stale = Notice.objects.open().filter(Q(pk__lt=cutoff) | Q(pk__lt=month_ago, severity__in=INFORMATIONAL))
    Notice.objects.filter(pk__in=list(stale.values_list("pk", flat=True)[:BATCH])).update(resolved_at=now)
    old = Notice.objects.closed().filter(pk__lt=cutoff).order_by("pk")
    return Notice.objects.filter(pk__in=list(old.values_list("pk", flat=True)[:BATCH])).delete()[0]

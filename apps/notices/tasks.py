"""The sweep of old notices, run by every worker."""

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
    """End what is only good to know after a month and the rest after its days, and remove what was over.

    Returns how many were removed, some hundreds at a time.
    """
    moment = now or timezone.now()
    oldest_kept = uuid_at(moment - timedelta(days=settings.RETENTION_DAYS_NOTICES))
    month_ago = uuid_at(moment - INFORMATIONAL_LIFETIME)
    stale = Notice.objects.open().filter(Q(pk__lt=oldest_kept) | Q(pk__lt=month_ago, severity__in=INFORMATIONAL))
    Notice.objects.filter(pk__in=list(stale.values_list("pk", flat=True)[:BATCH])).update(resolved_at=moment)
    old = Notice.objects.closed().filter(pk__lt=oldest_kept).order_by("pk")
    return Notice.objects.filter(pk__in=list(old.values_list("pk", flat=True)[:BATCH])).delete()[0]

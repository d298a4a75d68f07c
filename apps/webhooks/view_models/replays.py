"""Build the context values of replay jobs."""

from typing import Any

from django.utils.translation import gettext as _

from apps.webhooks.models import ReplayJob, ReplayStatus
from apps.webhooks.view_models.endpoints import endpoint_context


def replay_context(job: ReplayJob) -> dict[str, Any]:
    """Return the filters, progress and state of a replay as context values."""
    is_over = job.status in (ReplayStatus.DONE, ReplayStatus.CANCELLED)
    has_result = is_over and job.count_again_at is None
    return {
        "id": job.public_id,
        "status": job.status,
        "state": _state(job, has_result),
        "count": job.count,
        "sent": job.sent,
        "succeeded": job.succeeded,
        "failed": job.failed,
        "percent": 100 * job.sent // job.count if job.count else 100,
        "statuses": job.statuses,
        "event_types": job.event_types,
        "since": job.since,
        "until": job.until,
        "rate_per_second": job.rate_per_second,
        "created_at": job.created_at,
        "created_by": job.created_by_label,
        "finished_at": job.finished_at,
        "is_over": is_over,
        "is_settled": has_result,
        "text": progress_text(job),
        "endpoint": endpoint_context(job.endpoint),
        "endpoint_gone": job.endpoint.deleted_at is not None,
    }


def _state(job: ReplayJob, has_result: bool) -> str:
    if job.status == ReplayStatus.DONE and has_result and job.failed:
        return "done_with_failures"
    return job.status


def progress_text(job: ReplayJob) -> str:
    """Return the progress of a replay as text."""
    params = {"sent": job.sent, "count": job.count, "good": job.succeeded, "bad": job.failed}
    return _("%(sent)d of %(count)d queued · %(good)d delivered · %(bad)d failed") % params

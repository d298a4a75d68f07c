"""The operators' page of periodic jobs: the purpose and the last run of each."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _

from apps.base.extension_points import periodic_jobs
from apps.base.extension_points.periodic_jobs import PeriodicJob
from apps.webhooks.stats.counters import job_counter_name, job_counters


@dataclass(frozen=True)
class Job:
    """A periodic job and the figures of its runs over all workers; None and 0 before the first run."""

    definition: PeriodicJob
    ran_at: datetime | None
    seconds: float
    done_at: datetime | None
    failed_at: datetime | None
    succeeded: int
    failed: int
    overran: int

    @property
    def has_failed(self) -> bool:
        """Return whether the last run of any worker failed or took too long."""
        return self.failed_at is not None and (self.done_at is None or self.failed_at > self.done_at)


def jobs() -> list[Job]:
    """Return every job, by name."""
    totals = job_counters()
    return [_job(each, totals) for each in periodic_jobs.registered()]


def _job(definition: PeriodicJob, totals: dict[str, float]) -> Job:
    found = {
        what: totals.get(job_counter_name(what, definition.name), 0.0)
        for what in ("ran_at", "seconds", "done_at", "failed_at")
    }
    counts = {
        outcome: int(totals.get(job_counter_name(outcome, definition.name), 0)) for outcome in periodic_jobs.OUTCOMES
    }
    return Job(
        definition, _to_datetime(found["ran_at"]), round(found["seconds"], 2), _to_datetime(found["done_at"]),
        _to_datetime(found["failed_at"]), **counts,
    )  # fmt: skip


def _to_datetime(seconds: float) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if seconds else None


def page(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    """Show the periodic jobs."""
    return TemplateResponse(request, "admin/jobs.html", {**context, "title": _("Periodic jobs"), "jobs": jobs()})

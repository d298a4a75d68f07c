from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

from apps.base.extension_points import periodic_jobs
from apps.base.extension_points.periodic_jobs import PeriodicJob

# The periodic jobs of this app, run by every worker; docs/operate.md has them all in one table.
JOBS = (
    PeriodicJob("notices.delete_expired", "apps.notices.tasks.delete_expired",
          every_seconds=600, budget_seconds=10, does="Ends and deletes old notices."),
)  # fmt: skip


class NoticesConfig(AppConfig):
    name = "apps.notices"
    label = "notices"
    verbose_name = _("Notices")

    def ready(self) -> None:
        """Register the periodic jobs."""
        periodic_jobs.register(*JOBS)

from django.apps import AppConfig

from apps.base.extension_points import periodic_jobs
from apps.base.extension_points.periodic_jobs import PeriodicJob

# The periodic jobs of this app, run by every worker; docs/operate.md has them all in one table.
JOBS = (
    PeriodicJob("base.delete_used_form_tokens", "apps.base.web.forms.delete_used_form_tokens",
          every_seconds=600, budget_seconds=10, does="Deletes the traces of forms that were sent."),
)  # fmt: skip


class BaseConfig(AppConfig):
    name = "apps.base"
    label = "base"

    def ready(self) -> None:
        """Register this app's periodic jobs."""
        periodic_jobs.register(*JOBS)

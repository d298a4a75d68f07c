from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

from apps.base.extension_points.periodic_jobs import PeriodicJob

# Run by every worker; docs/operate.md lists the periodic jobs of all apps.
JOBS = (
    PeriodicJob("notices.delete_expired", "apps.notices.tasks.delete_expired",
          every_seconds=600, budget_seconds=10, does="Ends and deletes old notices."),
)  # fmt: skip


class NoticesConfig(AppConfig):
    name = "apps.notices"
    label = "notices"
    verbose_name = _("Notices")

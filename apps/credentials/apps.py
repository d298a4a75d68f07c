from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

from apps.base.extension_points.periodic_jobs import PeriodicJob

# Run by every worker; docs/operate.md lists the periodic jobs of all apps.
JOBS = (
    PeriodicJob("credentials.delete_idempotency_records", "apps.credentials.idempotency_store.prune",
          every_seconds=60, budget_seconds=10, does="Deletes answers that are kept for repeats after 24 hours."),
)  # fmt: skip


class CredentialsConfig(AppConfig):
    name = "apps.credentials"
    label = "credentials"
    verbose_name = _("Answers kept for repeats")

from django.apps import AppConfig

from apps.base.extension_points.periodic_jobs import PeriodicJob

# Run by every worker; docs/operate.md lists the periodic jobs of all apps.
JOBS = (
    PeriodicJob("base.delete_used_form_tokens", "apps.base.web.forms.delete_used_form_tokens",
          every_seconds=600, budget_seconds=10, does="Deletes the traces of forms that were sent."),
)  # fmt: skip


class BaseConfig(AppConfig):
    name = "apps.base"
    label = "base"

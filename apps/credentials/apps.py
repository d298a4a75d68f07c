from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

from apps.base import sweeps


class CredentialsConfig(AppConfig):
    name = "apps.credentials"
    label = "credentials"
    verbose_name = _("Answers kept for repeats")

    def ready(self) -> None:
        """This will register the sweep that deletes old idempotency records."""
        sweeps.register("credentials.delete_idempotency_records", "apps.credentials.idempotency.prune", 60)

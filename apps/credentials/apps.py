from django.apps import AppConfig

from apps.base import sweeps


class CredentialsConfig(AppConfig):
    name = "apps.credentials"
    label = "credentials"

    def ready(self) -> None:
        """This will register the sweep that deletes old idempotency records."""
        sweeps.register("credentials.prune_idempotency", "apps.credentials.idempotency.prune", every_seconds=60)

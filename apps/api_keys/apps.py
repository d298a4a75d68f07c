from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.module_loading import import_string

from apps.credentials.registry import KeyKind, register


def ensure_catalogue(**options: Any) -> None:
    import_string("apps.api_keys.catalogue.ensure_catalogue")(**options)


class ApiKeysConfig(AppConfig):
    name = "apps.api_keys"
    label = "api_keys"

    def ready(self) -> None:
        """This will make the prefix known to the gate and fill the catalogue after every migrate."""
        register(KeyKind("ipk_", "api_key", "api_keys.ApiKey", "apps.api_keys.gate_rows.load"))
        post_migrate.connect(ensure_catalogue, sender=self, dispatch_uid="api_keys.catalogue")

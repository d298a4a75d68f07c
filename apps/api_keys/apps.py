from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.module_loading import import_string
from django.utils.translation import gettext_lazy as _

from apps.audit.timeline import filter_options
from apps.base.extension_points import descendants
from apps.base.extension_points.periodic_jobs import PeriodicJob
from apps.base.permissions import Permission
from apps.credentials.key_kinds import KeyKind, register

# Run by every worker; docs/operate.md lists the periodic jobs of all apps.
JOBS = (
    PeriodicJob("api_keys.announce_expiry", "apps.api_keys.notifications.expiry.announce_expiries",
          every_seconds=60, budget_seconds=10, does="Tells of keys that expire soon or have expired."),
    PeriodicJob("api_keys.remind_of_rotation", "apps.api_keys.notifications.expiry.remind_of_rotation",
          every_seconds=60, budget_seconds=10, does="Tells of keys that are due for rotation."),
    PeriodicJob("api_keys.detect_unusual_use", "apps.api_keys.notifications.unusual_use.detect_unusual_use",
          every_seconds=60, budget_seconds=10, does="Looks for keys that are used in an unusual way; learns habits."),
    PeriodicJob("api_keys.resolve_old_notifications", "apps.api_keys.notifications.posting.expire_notifications",
          every_seconds=3600, budget_seconds=10, does="Ends notices about keys that are over."),
)  # fmt: skip


def ensure_catalogue(**options: Any) -> None:
    import_string("apps.api_keys.catalogue.ensure_catalogue")(**options)


class ApiKeysConfig(AppConfig):
    name = "apps.api_keys"
    label = "api_keys"
    verbose_name = _("API keys")

    def ready(self) -> None:
        """Register the key kind, the catalogue's post-migrate handler and audit filters."""
        source, leak_reporter = "apps.api_keys.key_query.ROW_SOURCE", "apps.api_keys.actions.report_leak"
        kind = KeyKind("ipk_", "api_key", source, leak_reporter)
        register(kind)
        post_migrate.connect(ensure_catalogue, sender=self, dispatch_uid="api_keys.catalogue")
        filter_options.register_filter_options("api_keys", _("API keys"), kind.filter_options)
        filter_options.register_page("key", "settings/integration/api-keys/%s/")
        module = "apps.api_keys.descendants"
        descendants.register("api_key", Permission.API_KEYS_READ, f"{module}.find", f"{module}.end")

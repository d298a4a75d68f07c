from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

from apps.audit.timeline import filter_options
from apps.base.extension_points import descendants
from apps.base.extension_points.periodic_jobs import PeriodicJob
from apps.base.permissions import Permission
from apps.credentials.key_kinds import KeyKind, register

# Run by every worker; docs/operate.md lists the periodic jobs of all apps.
JOBS = (
    PeriodicJob("sdk_keys.deactivate_inactive_devices", "apps.sdk_keys.device_limit.deactivate_inactive_devices",
          every_seconds=60, budget_seconds=10, does="Takes the place of devices that were silent for too long."),
    PeriodicJob("sdk_keys.delete_deactivated_devices", "apps.sdk_keys.device_limit.delete_deactivated_devices",
          every_seconds=3600, budget_seconds=10, does="Deletes devices 90 days after they lost their place."),
)  # fmt: skip


class SdkKeysConfig(AppConfig):
    name = "apps.sdk_keys"
    label = "sdk_keys"
    verbose_name = _("SDK keys")

    def ready(self) -> None:
        """Register the kind of key, its audit filter options and its descendants."""
        source, leak_reporter = "apps.sdk_keys.key_query.ROW_SOURCE", "apps.sdk_keys.actions.report_leak"
        kind = KeyKind("ips_", "sdk_key", source, leak_reporter)
        register(kind)
        filter_options.register_filter_options("sdk_keys", _("SDK keys"), kind.filter_options)
        filter_options.register_page("sdk", "settings/integration/sdk-keys/%s/")
        module = "apps.sdk_keys.actions"
        descendants.register(
            "sdk_key", Permission.SDK_KEYS_READ, f"{module}.find_descendants", f"{module}.revoke_descendant"
        )

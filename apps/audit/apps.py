from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

from apps.audit.sources import register
from apps.base import sweeps


class AuditConfig(AppConfig):
    name = "apps.audit"
    label = "audit"
    verbose_name = _("Logs and usage")

    def ready(self) -> None:
        """This will name the sources of the timeline and the sweep; nothing is imported until one is asked for."""
        register("change", "apps.audit.own_sources.changes")
        register("api_call", "apps.audit.own_sources.api_calls")
        sweeps.register("audit.drain_calls", "apps.audit.call_stream.drain", every_seconds=0.5)

from django.apps import AppConfig

from apps.audit.parties import page_of
from apps.audit.sources import register
from apps.base import sweeps


class AuditConfig(AppConfig):
    name = "apps.audit"
    label = "audit"

    def ready(self) -> None:
        """This will name the sources of the timeline and the sweep; nothing is imported until one is asked for."""
        page_of("exp", "settings/integration/audit/exports/%s/")
        register("change", "apps.audit.own_sources.changes")
        register("api_call", "apps.audit.own_sources.api_calls")
        sweeps.register("audit.drain_calls", "apps.audit.call_stream.drain", every_seconds=0.5)
        sweeps.register("audit.seal", "apps.audit.sealing.seal_due", every_seconds=1)
        sweeps.register("audit.exports", "apps.audit.export_jobs.advance", every_seconds=1)
        sweeps.register("audit.old_exports", "apps.audit.export_jobs.remove_old", every_seconds=60)

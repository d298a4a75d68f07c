from django.apps import AppConfig

from apps.audit.sources import register
from apps.base import exports, sweeps


class AuditConfig(AppConfig):
    name = "apps.audit"
    label = "audit"

    def ready(self) -> None:
        """This will name the sources of the timeline and the sweep; nothing is imported until one is asked for."""
        register("change", "apps.audit.own_sources.changes")
        register("api_call", "apps.audit.own_sources.api_calls")
        sweeps.register("audit.drain_calls", "apps.audit.call_stream.drain", every_seconds=0.5)
        exports.register("usage_by_day.jsonl", "apps.audit.archive_parts.usage_days")
        exports.register("audit_log.jsonl", "apps.audit.archive_parts.entries")

from django.apps import AppConfig

from apps.audit.sources import register


class AuditConfig(AppConfig):
    name = "apps.audit"
    label = "audit"

    def ready(self) -> None:
        """This will name the sources of the timeline; nothing is imported until one is asked for."""
        register("change", "apps.audit.own_sources.changes")
        register("api_call", "apps.audit.own_sources.api_calls")

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

from apps.audit.seal import digests
from apps.audit.timeline.filter_options import register_page
from apps.audit.timeline.sources import register
from apps.base.extension_points.periodic_jobs import PeriodicJob

# Run by every worker; docs/operate.md lists the periodic jobs of all apps.
JOBS = (
    PeriodicJob("audit.store_streamed_calls", "apps.audit.calls.redis_stream.drain",
          every_seconds=0.5, budget_seconds=10, does="Moves calls from Redis into the database (API_CALL_LOG=stream)."),
    PeriodicJob("audit.seal_entries", "apps.audit.seal.sealer.seal_due",
          every_seconds=1, budget_seconds=10, does="Gives each new entry of the audit log its number and hash."),
    PeriodicJob("audit.write_exports", "apps.audit.exports.jobs.advance",
          every_seconds=1, budget_seconds=10, does="Writes the files of exports that are under way."),
    PeriodicJob("audit.delete_old_exports", "apps.audit.exports.jobs.remove_old",
          every_seconds=60, budget_seconds=10, does="Deletes files of exports after their days."),
    PeriodicJob("audit.make_digests", "apps.audit.seal.make_digests.make_due",
          every_seconds=10, budget_seconds=10, does="Puts digests of calls, events and attempts into the audit log."),
    PeriodicJob("audit.sign_checkpoints", "apps.audit.retention.trimming.sign_daily",
          every_seconds=30, budget_seconds=10, does="Signs a checkpoint of each audit log once a day."),
    PeriodicJob("audit.delete_expired", "apps.audit.retention.trimming.trim",
          every_seconds=2, budget_seconds=10, does="Deletes calls, usage and the audit log after their days."),
)  # fmt: skip


class AuditConfig(AppConfig):
    name = "apps.audit"
    label = "audit"
    verbose_name = _("Logs and usage")

    def ready(self) -> None:
        """Register timeline and digest sources by dotted name."""
        register_page("exp", "settings/integration/audit/exports/%s/")
        register("change", "apps.audit.timeline.changes_and_calls.changes")
        register("api_call", "apps.audit.timeline.changes_and_calls.api_calls")
        digests.register("calls", "apps.audit.seal.call_digest.SOURCE")

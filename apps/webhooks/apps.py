from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.module_loading import import_string
from django.utils.translation import gettext_lazy as _

from apps.audit.seal import digests
from apps.audit.timeline import filter_options
from apps.audit.timeline.sources import register as register_source
from apps.base.extension_points import descendants
from apps.base.extension_points.periodic_jobs import PeriodicJob
from apps.base.permissions import Permission

# Every worker runs these jobs. docs/operate.md lists the periodic jobs of all apps.
JOBS = (
    PeriodicJob("webhooks.release_expired_leases", "apps.webhooks.engine.claims.release_expired",
          every_seconds=5, budget_seconds=10, does="Gives deliveries of workers that died to others."),
    PeriodicJob("webhooks.advance_replays", "apps.webhooks.jobs.replays.advance",
          every_seconds=1, budget_seconds=10, does="Makes the deliveries of replays."),
    PeriodicJob("webhooks.delete_expired", "apps.webhooks.jobs.retention.prune",
          every_seconds=2, budget_seconds=10, does="Deletes payloads, attempts, deliveries, events after their days."),
    PeriodicJob("webhooks.count_deliveries", "apps.webhooks.stats.delivery_totals.count_all",
          every_seconds=10, budget_seconds=10, does="Counts where accepted deliveries are."),
    PeriodicJob("webhooks.add_up_attempts", "apps.webhooks.stats.hourly_rollup.roll_up",
          every_seconds=10, budget_seconds=10, does="Adds attempts up by the hour."),
    PeriodicJob("webhooks.report_worker", "apps.webhooks.stats.counters.report_worker",
          every_seconds=5, budget_seconds=10, does="Leaves a sign of life, compares the clock, writes counters."),
    PeriodicJob("webhooks.finish_fan_outs", "apps.webhooks.jobs.fan_out.finish_fan_outs",
          every_seconds=1, budget_seconds=10, does="Makes the deliveries of events that match many endpoints."),
)  # fmt: skip


def fill_catalogue(**signal: Any) -> None:
    """Create the event types after a migration; the module is imported when called, so that start-up stays fast."""
    import_string("apps.webhooks.types.catalogue.ensure_catalogue")(**signal)


class WebhooksConfig(AppConfig):
    name = "apps.webhooks"
    label = "webhooks"
    verbose_name = _("Webhooks")

    def ready(self) -> None:
        """Register with the registries of lower apps, which call this app by dotted name."""
        post_migrate.connect(fill_catalogue, sender=self)
        register_source("delivery", "apps.webhooks.audit_timeline.attempts")
        filter_options.register_filter_options(
            "endpoints", _("Webhook endpoints"), "apps.webhooks.audit_timeline.endpoints"
        )
        for prefix, folder in (("ep", "webhooks"), ("dlv", "deliveries"), ("rpl", "replays")):
            filter_options.register_page(prefix, f"settings/integration/{folder}/%s/")
        digests.register("attempts", "apps.webhooks.audit_digests.ATTEMPTS")
        digests.register("events", "apps.webhooks.audit_digests.EVENTS")
        module = "apps.webhooks.descendants"
        descendants.register("endpoint", Permission.WEBHOOKS_READ, f"{module}.find", f"{module}.end")

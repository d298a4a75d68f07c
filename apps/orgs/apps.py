from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.module_loading import import_string
from django.utils.translation import gettext_lazy as _

from apps.audit.timeline import filter_options
from apps.base.extension_points import descendants
from apps.base.extension_points.periodic_jobs import PeriodicJob
from apps.base.permissions import Permission

# Run by every worker; docs/operate.md lists the periodic jobs of all apps.
JOBS = (
    PeriodicJob("orgs.write_notification_mail", "apps.orgs.mail.jobs.mail_notices",
          every_seconds=5, budget_seconds=10, does="Writes the mails of new notices."),
    PeriodicJob("orgs.send_mail", "apps.orgs.mail.jobs.send_due_mail",
          every_seconds=5, budget_seconds=60, lane="mail", does="Hands waiting mails to the mail server."),
    PeriodicJob("orgs.delete_ended_sessions", "apps.orgs.mail.jobs.delete_ended_sessions",
          every_seconds=3600, budget_seconds=10, does="Deletes sessions that ran out."),
    PeriodicJob("orgs.delete_old_mail", "apps.orgs.mail.jobs.delete_old_mail",
          every_seconds=3600, budget_seconds=10, does="Deletes mails a month after they were sent."),
    PeriodicJob("orgs.delete_old_invitations", "apps.orgs.mail.jobs.delete_old_invitations",
          every_seconds=3600, budget_seconds=10, does="Deletes invitations three months after they ended."),
    PeriodicJob("orgs.delete_closed_organizations", "apps.orgs.lifecycle.purging.purge_closed",
          every_seconds=30, budget_seconds=10, does="Deletes the data of closed organizations after their days."),
    PeriodicJob("orgs.delete_emptied_organizations", "apps.orgs.lifecycle.purging.delete_purged_organizations",
          every_seconds=3600, budget_seconds=10, does="Deletes closed organizations whose audit log has ended."),
    PeriodicJob("orgs.end_support_access", "apps.orgs.support_access.actions.end_expired_support_access",
          every_seconds=60, budget_seconds=10, does="Ends looks of operators that ran out."),
)  # fmt: skip


def ensure_platform(**_options: Any) -> None:
    import_string("apps.orgs.lifecycle.platform.ensure_platform")()


class OrgsConfig(AppConfig):
    name = "apps.orgs"
    label = "orgs"
    verbose_name = _("People and organizations")

    def ready(self) -> None:
        """Create the vendor's organization after migrations and register what other apps call."""
        post_migrate.connect(ensure_platform, sender=self, dispatch_uid="orgs.platform")
        module = "apps.orgs.descendants"
        descendants.register("user", Permission.USERS_READ, f"{module}.find_members", f"{module}.end_member")
        descendants.register(
            "invitation", Permission.USERS_READ, f"{module}.find_invitations", f"{module}.end_invitation"
        )
        filter_options.register_filter_options("people", _("People"), "apps.orgs.members.filter_options.people")

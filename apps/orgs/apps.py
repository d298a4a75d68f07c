from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.module_loading import import_string
from django.utils.translation import gettext_lazy as _

from apps.audit import parties
from apps.base import descendants, exports, sweeps
from apps.base.permissions import Permission


def ensure_platform(**_options: Any) -> None:
    import_string("apps.orgs.platform.ensure_platform")()


class OrgsConfig(AppConfig):
    name = "apps.orgs"
    label = "orgs"
    verbose_name = _("People and organizations")

    def ready(self) -> None:
        """This will make the vendor's organization after a migration, and register the sweeps."""
        post_migrate.connect(ensure_platform, sender=self, dispatch_uid="orgs.platform")
        here = "apps.orgs.descendants"
        descendants.register("user", Permission.USERS_READ, f"{here}.find_members", f"{here}.end_member")
        descendants.register("invitation", Permission.USERS_READ, f"{here}.find_invitations", f"{here}.end_invitation")
        parties.offer("people", _("People"), "apps.orgs.audit_parties.people")
        sweeps.register("orgs.write_notification_mail", "apps.orgs.tasks.mail_notices", 5)
        # A thread of its own: a mail server may take its time.
        sweeps.register("orgs.send_mail", "apps.orgs.tasks.send_due_mail", 5, lane="mail", budget_seconds=60)
        sweeps.register("orgs.delete_ended_sessions", "apps.orgs.tasks.forget_ended_sessions", 3600)
        sweeps.register("orgs.delete_old_mail", "apps.orgs.tasks.forget_old_mail", 3600)
        sweeps.register("orgs.delete_old_invitations", "apps.orgs.tasks.forget_ended_invitations", 3600)
        sweeps.register("orgs.delete_closed_organizations", "apps.orgs.purging.purge_closed", 30)
        sweeps.register("orgs.delete_emptied_organizations", "apps.orgs.purging.forget_purged", 3600)
        exports.register("organization.jsonl", "apps.orgs.archive_parts.organization")
        exports.register("members.jsonl", "apps.orgs.archive_parts.members")
        exports.register("invitations.jsonl", "apps.orgs.archive_parts.invitations")
        sweeps.register("orgs.end_support_access", "apps.orgs.actions.end_looks_that_ran_out", 60)

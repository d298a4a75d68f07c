from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.module_loading import import_string
from django.utils.translation import gettext_lazy as _

from apps.base import sweeps


def ensure_platform(**_options: Any) -> None:
    import_string("apps.orgs.platform.ensure_platform")()


def address_confirmed(**options: Any) -> None:
    import_string("apps.orgs.adapter.address_confirmed")(**options)


def password_was_reset(**options: Any) -> None:
    import_string("apps.orgs.adapter.password_was_reset")(**options)


class OrgsConfig(AppConfig):
    name = "apps.orgs"
    label = "orgs"
    verbose_name = _("People and organizations")

    def ready(self) -> None:
        """This will connect allauth's two hooks, make the vendor's organization, and register the mail sweeps."""
        import_string("allauth.account.signals.email_confirmed").connect(address_confirmed, dispatch_uid="portal")
        import_string("allauth.account.signals.password_reset").connect(password_was_reset, dispatch_uid="portal")
        post_migrate.connect(ensure_platform, sender=self, dispatch_uid="orgs.platform")
        sweeps.register("orgs.mail_notices", "apps.orgs.tasks.mail_notices", 5)
        sweeps.register("orgs.send_due_mail", "apps.orgs.tasks.send_due_mail", 5)
        sweeps.register("orgs.end_looks", "apps.orgs.actions.end_looks_that_ran_out", 60)

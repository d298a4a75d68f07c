"""The project as an app, so that it can have commands, and the operators' admin site."""

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig
from django.core.checks import Tags, register

from integrations_portal.checks import check_addresses, check_mail, check_pooler


class PortalConfig(AppConfig):
    name = "integrations_portal"
    label = "portal"

    def ready(self) -> None:
        """Register the project's system checks."""
        register(check_mail)
        register(check_addresses)
        register(check_pooler, Tags.database)


class OperatorAdminConfig(AdminConfig):
    default_site = "integrations_portal.admin_site.site.OperatorSite"

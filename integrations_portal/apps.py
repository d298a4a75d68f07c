"""The project as an app, so that it can have commands, and the operators' admin site."""

import sys

from django.apps import AppConfig, apps
from django.contrib.admin.apps import AdminConfig
from django.core.checks import Tags, register

from apps.base.extension_points import periodic_jobs
from integrations_portal.checks import check_duplicate_emails, check_mail, check_pooler


class PortalConfig(AppConfig):
    name = "integrations_portal"
    label = "portal"

    def ready(self) -> None:
        """Register the periodic jobs of all apps and the project's system checks."""
        for config in apps.get_app_configs():
            periodic_jobs.register(*getattr(sys.modules[type(config).__module__], "JOBS", ()))
        register(check_mail)
        register(check_duplicate_emails)
        register(check_pooler, Tags.database)


class OperatorAdminConfig(AdminConfig):
    default_site = "integrations_portal.admin_site.site.OperatorSite"

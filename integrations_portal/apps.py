"""The project as an app, so that it may own commands; and the operators' admin site."""

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig


class PortalConfig(AppConfig):
    name = "integrations_portal"
    label = "portal"


class OperatorAdminConfig(AdminConfig):
    default_site = "integrations_portal.operators.OperatorSite"

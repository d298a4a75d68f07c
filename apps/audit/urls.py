"""Both doors of the app."""

from django.urls import path

from apps.audit import views
from apps.audit.api import AuditLog
from apps.base.api import api_path

pages = [path("o/<slug:slug>/settings/integration/audit/", views.audit_log, name="audit")]
api = [api_path("audit-log", AuditLog, "audit-log")]

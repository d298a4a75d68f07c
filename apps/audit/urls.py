"""Routes of the app: pages and API."""

from django.urls import path

from apps.audit import views as log
from apps.audit.api import AuditLog, ExportAuditLog
from apps.audit.exports import views
from apps.base.rest.views import api_path

BASE_PATH = "o/<slug:slug>/settings/integration/audit/"

pages = [
    path(BASE_PATH, log.audit_log, name="audit"),
    path(BASE_PATH + "export/", views.export, name="audit_export"),
    path(BASE_PATH + "checkpoint/", views.checkpoint, name="audit_checkpoint"),
    path(BASE_PATH + "exports/<str:export_id>/", views.export_job, name="audit_export_job"),
    path(BASE_PATH + "exports/<str:export_id>/cancel/", views.export_cancel, name="audit_export_cancel"),
    path(BASE_PATH + "exports/<str:export_id>/file/", views.export_download, name="audit_export_file"),
]
api = [
    api_path("audit-log", AuditLog, "audit-log"),
    api_path("audit-log/export", ExportAuditLog, "audit-log-export"),
]

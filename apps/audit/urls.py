"""Both doors of the app."""

from django.urls import path

from apps.audit.api import AuditLog, ExportAuditLog
from apps.audit.views import exports, log
from apps.base.api import api_path

HERE = "o/<slug:slug>/settings/integration/audit/"

pages = [
    path(HERE, log.audit_log, name="audit"),
    path(HERE + "export/", exports.export, name="audit_export"),
    path(HERE + "checkpoint/", exports.checkpoint, name="audit_checkpoint"),
    path(HERE + "exports/<str:export_id>/", exports.export_job, name="audit_export_job"),
    path(HERE + "exports/<str:export_id>/cancel/", exports.export_cancel, name="audit_export_cancel"),
    path(HERE + "exports/<str:export_id>/file/", exports.export_download, name="audit_export_file"),
]
api = [
    api_path("audit-log", AuditLog, "audit-log"),
    api_path("audit-log/export", ExportAuditLog, "audit-log-export"),
]

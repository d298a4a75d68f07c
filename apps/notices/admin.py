"""Notifications in the operators' admin."""

from django.contrib import admin

from apps.audit.operator_admin import ReadOnlyAdmin
from apps.notices.models import Notice


@admin.register(Notice)
class NoticeAdmin(ReadOnlyAdmin):
    """Notifications of all organizations."""

    list_display = ("kind", "organization", "severity", "created_at", "mailed_at", "dismissed_at")
    list_select_related = ("organization",)
    list_filter = ("severity",)
    search_fields = ("id", "organization")
    found_by = ("id",)
    of_organization = ()
    fields = (
        *("kind", "organization", "severity", "params", "path", "permission", "mail_wanted", "created_at", "mailed_at"),
        *("mail_attempts", "next_mail_at", "dismissed_at", "resolved_at"),
    )

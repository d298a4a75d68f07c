"""Notifications in the operators' admin: their page, and a panel for the page of a key or endpoint."""

import uuid

from django.contrib import admin
from django.utils.translation import gettext as _

from apps.audit.operator_admin import Panel, ReadOnlyAdmin, limit_to_newest, table
from apps.notices.models import Notice

MAX_SHOWN = 5
# How many of an organization's newest are scanned: only the path identifies the object.
SCANNED_ROWS = 1_000


@admin.register(Notice)
class NoticeAdmin(ReadOnlyAdmin):
    """Notifications of all organizations."""

    list_display = ("kind", "organization", "severity", "created_at", "mailed_at", "dismissed_at")
    list_select_related = ("organization",)
    list_filter = ("severity",)
    search_fields = ("id", "organization")
    global_search_fields = ("id",)
    organization_columns = ()
    fields = (
        *("kind", "organization", "severity", "params", "path", "permission", "mail_wanted", "created_at", "mailed_at"),
        *("mail_attempts", "next_mail_at", "dismissed_at", "resolved_at"),
    )


def notices_about(organization_id: uuid.UUID, public_id: str) -> list[Panel]:
    """Return a table of the newest notifications that link to a key's or an endpoint's page, if there are any."""
    rows = limit_to_newest(Notice.objects.filter(organization_id=organization_id), SCANNED_ROWS)
    found = rows.filter(path__endswith=f"/{public_id}/").order_by("-pk")[:MAX_SHOWN]
    panel = table(_("Notifications"), found, ("kind", "created_at", "mailed_at", "dismissed_at", "resolved_at"))
    return [panel] if panel.rows else []

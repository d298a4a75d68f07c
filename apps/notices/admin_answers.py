"""Notifications on the admin page of the key or endpoint that they are about."""

import uuid

from django.utils.translation import gettext as _

from apps.audit.operator_admin import Panel, limit_to_newest, table
from apps.notices.models import Notice

MAX_SHOWN = 5
# How many of an organization's newest are scanned: only the path identifies the object.
SCANNED_ROWS = 1_000


def notices_about(organization_id: uuid.UUID, public_id: str) -> list[Panel]:
    """Return a table of the newest notifications that link to a key's or an endpoint's page, if there are any."""
    rows = limit_to_newest(Notice.objects.filter(organization_id=organization_id), SCANNED_ROWS)
    found = rows.filter(path__endswith=f"/{public_id}/").order_by("-pk")[:MAX_SHOWN]
    panel = table(_("Notifications"), found, ("kind", "created_at", "mailed_at", "dismissed_at", "resolved_at"))
    return [panel] if panel.rows else []

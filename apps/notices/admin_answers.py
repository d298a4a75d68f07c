"""What operators read of notifications on the page of what they are about."""

import uuid

from django.utils.translation import gettext as _

from apps.audit.operator_admin import Panel, limit_to_newest, table
from apps.notices.models import Notice

MAX_SHOWN = 5
# How many of an organization's newest are looked through: what one is about stands in its path alone.
SCANNED_ROWS = 1_000


def notices_about(organization_id: uuid.UUID, public_id: str) -> list[Panel]:
    """Return the newest notifications that lead to the page of a key or an endpoint; nothing where there is none."""
    rows = limit_to_newest(Notice.objects.filter(organization_id=organization_id), SCANNED_ROWS)
    found = rows.filter(path__endswith=f"/{public_id}/").order_by("-pk")[:MAX_SHOWN]
    panel = table(_("Notifications"), found, ("kind", "created_at", "mailed_at", "dismissed_at", "resolved_at"))
    return [panel] if panel.rows else []

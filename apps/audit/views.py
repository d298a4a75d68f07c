"""The page of the audit log."""

import logging
from collections.abc import Mapping
from typing import Any

from django.db import DatabaseError
from django.http import HttpResponse
from django.shortcuts import render

from apps.audit import view_models
from apps.audit.forms import filled_fields, invalid_fields, page_filters
from apps.audit.models import AuditEntry, AuditExport
from apps.audit.retention import windows
from apps.audit.seal import checkpoints
from apps.audit.timeline.sources import Page, timeline
from apps.base.errors import Invalid
from apps.base.permissions import Permission
from apps.base.requests import PortalRequest
from apps.base.rest.cursor_pagination import Cursors
from apps.base.web.pages import org_page

PER_PAGE = 50
MAX_EXPORTS_SHOWN = 5
# The names of the kinds of rows on the page and in retention.
RETENTION_KINDS = {"changes": "audit", "calls": "calls", "attempts": "attempts"}
NO_ROWS = Page([], None)
logger = logging.getLogger(__name__)


@org_page(Permission.AUDIT_READ, nav="audit")
def audit_log(request: PortalRequest) -> HttpResponse:
    """Show the newest changes, calls and deliveries that match the filters."""
    texts = filled_fields(request.GET)
    cursor, cursors = request.GET.get("cursor"), Cursors.of("audit log", request.organization.pk, texts.items())
    before = cursors.read(cursor, AuditEntry._meta.pk).key if cursor else None
    try:
        page = _find(request, texts, before)
    except DatabaseError:
        logger.exception("the audit log could not be read")
        return render(request, "audit/list.html", {"load_error": True}, status=503)
    context = {
        "unusable": view_models.invalid_filters_message(invalid_fields(texts), texts),
        "entries": [view_models.entry(row, request.organization.slug) for row in page.rows],
        "filters": texts,
        "filtered": bool(texts),
        "choices": view_models.choices(request.actor, texts),
        "next_cursor": cursors.write(page.after) if page.after else "",
        "is_first": before is None,
        "keep_days": {name: _days(request, kind) for name, kind in RETENTION_KINDS.items()},
        "checkpoint": checkpoints.newest(request.organization.pk),
        "exports": _exports(request),
    }
    return render(request, "audit/list.html", context)


def _find(request: PortalRequest, texts: Mapping[str, str], before: Any) -> Page:
    """Return the matching rows, none for invalid filters: the page names these."""
    try:
        filters = page_filters(texts)
    except Invalid:
        return NO_ROWS
    return timeline(request.actor, filters, before, PER_PAGE)


def _days(request: PortalRequest, kind: str) -> int:
    return windows.days_of_organizations(kind).get(request.organization.pk, windows.days(kind))


def _exports(request: PortalRequest) -> list[dict[str, Any]]:
    """Return the newest stored exports if the user can export."""
    if not request.actor.can(Permission.AUDIT_EXPORT):
        return []
    rows = AuditExport.objects.for_actor(request.actor).order_by("-pk")[:MAX_EXPORTS_SHOWN]
    return [view_models.export_facts(job) for job in rows]

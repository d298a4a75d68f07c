"""The page of the audit log."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from apps.audit.forms import page_filters, typed
from apps.audit.models import AuditEntry
from apps.audit.sources import Page, Row, categories, timeline
from apps.audit.vocabulary import SENTENCES
from apps.base.errors import Invalid
from apps.base.lists import make_cursor, read_cursor
from apps.base.pages import org_page
from apps.base.permissions import Permission
from apps.base.requests import PortalRequest

ROWS = 50
NO_ROWS = Page([], None)


@org_page(Permission.AUDIT_READ, nav="audit")
def audit_log(request: PortalRequest) -> HttpResponse:
    """This will show the newest changes, calls and deliveries that match the filters."""
    texts = typed(request.GET)
    cursor = request.GET.get("cursor")
    before = read_cursor(cursor, AuditEntry._meta.pk) if cursor else None
    page = _find(request, texts, before)
    context = {
        "entries": [_entry(row, request.organization.slug) for row in page.rows],
        "filters": {**texts, "q": texts.get("request_id", "")},
        "filtered": bool(texts),
        "categories": _categories(),
        "actions": [{"value": name, "label": name} for name in sorted(SENTENCES)],
        "next_cursor": make_cursor(page.after) if page.after else "",
        "is_first": before is None,
        "keep_days": settings.RETENTION_DAYS_AUDIT,
        "export_csv_url": "",
        "export_jsonl_url": "",
    }
    return render(request, "audit/list.html", context)


def _find(request: PortalRequest, texts: Mapping[str, str], before: Any) -> Page:
    """This will return the rows; what is typed but can match nothing is no match, not an error page."""
    try:
        filters = page_filters(texts)
    except Invalid:
        return NO_ROWS
    return timeline(request.actor, filters, before, ROWS)


def _categories() -> list[dict[str, str]]:
    labels = {"change": _("Changes"), "api_call": _("API calls"), "delivery": _("Deliveries")}
    return [{"value": name, "label": labels.get(name, name)} for name in categories()]


def _entry(row: Row, slug: str) -> dict[str, Any]:
    return {
        "id": row.id,
        "at": row.at,
        "category": row.category,
        "actor_label": row.actor.label or row.actor.id,
        "address": row.address,
        "sentence": row.sentence,
        "target_label": row.target.label or row.target.id,
        "outcome": row.outcome,
        "request_id": row.request_id,
        "user_agent": row.user_agent,
        "seq": row.seq,
        "hash": row.hash,
        "link": f"/o/{slug}/{row.link}" if row.link else "",
        "changes": [{"field": name, "old": old, "new": new} for name, (old, new) in row.changes.items()],
    }

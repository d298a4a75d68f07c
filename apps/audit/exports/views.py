"""Pages of exports: a short one is sent immediately, a long one becomes a stored job with its own page."""

from datetime import UTC, datetime

from django.contrib import messages
from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from apps.audit import actions, view_models
from apps.audit.exports.reader import count_current
from apps.audit.forms import filled_fields, invalid_fields, page_filters
from apps.audit.models import AuditExport
from apps.audit.seal.checkpoints import as_json
from apps.audit.timeline.serialization import CONTENT_TYPES, FORMATS
from apps.base.concurrency import heavy_work
from apps.base.errors import Busy, Conflict, Invalid
from apps.base.permissions import Permission
from apps.base.requests import PortalRequest
from apps.base.rest.renderers import to_json
from apps.base.web.pages import POST_ONLY, org_page

MAX_STREAMED_ROWS = 50_000


@org_page(Permission.AUDIT_EXPORT, nav="audit", methods=POST_ONLY)
def export(request: PortalRequest) -> HttpResponseBase:
    """Send the rows that match the page's filters, or store a job if they are too many for one response."""
    texts, file_format = filled_fields(request.POST), request.POST.get("format", "")
    if file_format not in FORMATS:
        raise Invalid.field("format", _("Choose CSV or JSON Lines."))
    try:
        filters = page_filters(texts)
    except Invalid:
        return _back(request, view_models.invalid_filters_message(invalid_fields(texts), texts))
    with heavy_work.reserve_slot(request.organization.pk) as slot:
        if count_current(request.actor, filters, MAX_STREAMED_ROWS) <= MAX_STREAMED_ROWS:
            lines = actions.export_log(actor=request.actor, filters=filters, file_format=file_format)
            return slot.hold_until_sent(_file(request, StreamingHttpResponse(lines), file_format, timezone.now()))
    try:
        job = actions.start_export(actor=request.actor, filters=filters, file_format=file_format)
    except Conflict as error:
        return _back(request, str(error))
    return redirect("audit_export_job", request.organization.slug, job.public_id)


def _back(request: PortalRequest, warning: str) -> HttpResponse:
    messages.warning(request, warning)
    page = reverse("audit", args=[request.organization.slug])
    return redirect(f"{page}?{urlencode(filled_fields(request.POST))}")


@org_page(Permission.AUDIT_EXPORT, nav="audit")
def export_job(request: PortalRequest, export_id: str) -> HttpResponse:
    """Show one export; ``?part=progress`` returns the fragment that the page refreshes."""
    job = view_models.export_facts(AuditExport.objects.for_actor(request.actor).with_public_id(export_id))
    part = request.GET.get("part") == "progress"
    context = {"job": job, "poll_url": "" if job["is_over"] else f"{request.path}?part=progress"}
    return render(request, "audit/_export.html" if part else "audit/export.html", context)


@org_page(Permission.AUDIT_EXPORT, nav="audit", methods=POST_ONLY)
def export_cancel(request: PortalRequest, export_id: str) -> HttpResponse:
    """Cancel an export and discard its rows."""
    try:
        actions.cancel_export(actor=request.actor, export_id=export_id)
    except Conflict as error:
        messages.warning(request, str(error))
    return redirect("audit_export_job", request.organization.slug, export_id)


@org_page(Permission.AUDIT_EXPORT, nav="audit", methods=POST_ONLY)
def export_download(request: PortalRequest, export_id: str) -> HttpResponseBase:
    """Send the file of an export. Only by POST, because each download is recorded."""
    try:
        with heavy_work.reserve_slot(request.organization.pk) as slot:
            job, pieces = actions.download_export(actor=request.actor, export_id=export_id)
            response = slot.hold_until_sent(
                _file(request, StreamingHttpResponse(pieces), job.file_format, job.created_at)
            )
    except (Conflict, Busy) as error:
        messages.warning(request, str(error))
        return redirect("audit_export_job", request.organization.slug, export_id)
    # The length lets a browser detect an incomplete file.
    response["Content-Length"] = str(job.size)
    return response


@org_page(Permission.AUDIT_EXPORT, nav="audit", methods=POST_ONLY)
def checkpoint(request: PortalRequest) -> HttpResponse:
    """Send the newest checkpoint as a file, after signing a new one if entries followed."""
    try:
        point = actions.make_checkpoint(actor=request.actor)
    except Conflict as error:
        messages.warning(request, str(error))
        return redirect("audit", request.organization.slug)
    response = HttpResponse(to_json(as_json(point), indent=2) + "\n", content_type="application/json")
    name = f"{request.organization.slug}-audit-checkpoint-{point.seq}.json"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["Cache-Control"] = "no-store, private"
    return response


def _file(
    request: PortalRequest, response: StreamingHttpResponse, file_format: str, created_at: datetime
) -> StreamingHttpResponse:
    at = created_at.astimezone(UTC)
    name = f"{request.organization.slug}-audit-log-{at:%Y-%m-%dT%H-%M-%SZ}.{file_format}"
    response["Content-Type"] = CONTENT_TYPES[file_format]
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["Cache-Control"] = "no-store, private"
    response["X-Content-Type-Options"] = "nosniff"
    return response

"""Pages to export an organization's data and to close it."""

from collections.abc import Iterator
from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.base.actor import Actor
from apps.base.concurrency import heavy_work
from apps.base.errors import Busy, PortalError, RateLimited
from apps.base.extension_points.data_export_providers import ExportProvider
from apps.base.permissions import Permission
from apps.base.requests import PortalRequest
from apps.base.rest.renderers import to_json
from apps.base.web import form_limits
from apps.base.web.downloads import zip_stream
from apps.base.web.forms import AlreadySubmitted
from apps.base.web.pages import FORM_METHODS, org_page
from apps.orgs import data_export
from apps.orgs.data_export import FILES
from apps.orgs.lifecycle import closing
from apps.orgs.settings.forms import CloseForm, ExportForm

NAV = "organization"
EXPORT_LIMIT = "10/h"


@org_page(Permission.ORGANIZATION_EXPORT, nav=NAV, methods=FORM_METHODS)
def organization_export(request: PortalRequest) -> HttpResponseBase:
    """Stream all data of the organization as a ZIP."""
    form = ExportForm(request.POST if request.method == "POST" else None, request=request)
    if form.is_valid() and (response := _export(request, form)):
        return response
    context = {"form": form, "files": list(FILES)}
    return render(request, "organization/export.html", context, status=422 if form.errors else 200)


def _export(request: PortalRequest, form: ExportForm) -> StreamingHttpResponse | None:
    """Return the export, or None with the refusal in the form."""
    try:
        with heavy_work.reserve_slot(request.organization.pk) as slot:
            return slot.hold_until_sent(_archive(request)) if _record(request, form) else None
    except Busy as error:
        form.add_error(None, str(error))
    return None


def _record(request: PortalRequest, form: ExportForm) -> bool:
    """Record the export, or add the refusal to the form; return whether it can start."""
    try:
        with transaction.atomic():
            form.consume_token()
            data_export.record_export(actor=request.actor)
            form_limits.check(request, "organization-export", EXPORT_LIMIT, per=str(request.organization.pk))
    except AlreadySubmitted:
        form.add_error(None, _("This copy was taken already. Ask for another one."))
        form.data = form.data.copy()
        form.data["token"] = form.new_token()
    except RateLimited as error:
        form.add_error(None, str(error))
    return not form.errors


def _archive(request: PortalRequest) -> StreamingHttpResponse:
    files = ((name, _lines(part, request.actor)) for name, part in FILES.items())
    response = StreamingHttpResponse(zip_stream(files), content_type="application/zip")
    name = f"{request.organization.slug}-{timezone.now():%Y-%m-%d}.zip"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["Cache-Control"] = "no-store, private"
    response["X-Robots-Tag"] = "noindex, nofollow"
    return response


def _lines(part: ExportProvider, actor: Actor) -> Iterator[bytes]:
    for row in part(actor):
        yield to_json(row).encode() + b"\n"


@org_page(Permission.ORGANIZATION_OWN, nav=NAV, methods=FORM_METHODS)
def organization_close(request: PortalRequest) -> HttpResponse:
    """Close the organization; for owners only. The page offers an export first."""
    form = CloseForm(
        request.POST if request.method == "POST" else None, request=request, organization=request.organization
    )
    if form.is_valid() and _close(request, form):
        text = _("%(name)s is closed. Its keys are refused from now on.")
        messages.success(request, text % {"name": request.organization.name})
        return redirect("landing")
    context: dict[str, Any] = {"form": form}
    return render(request, "organization/close.html", context, status=422 if form.errors else 200)


def _close(request: PortalRequest, form: CloseForm) -> bool:
    try:
        with transaction.atomic():
            form.consume_token()
            closing.close_organization(actor=request.actor, name=form.cleaned_data["confirm_name"])
    except AlreadySubmitted:
        pass  # closed by the first of the two
    except PortalError as error:
        form.add_error(None, str(error.message))
        return False
    return True

"""``/v1/audit-log``: changes, calls and deliveries of the caller's organization, as a list and as a file."""

from datetime import UTC
from typing import Any

from django.http import HttpResponseBase, StreamingHttpResponse
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.mediatypes import media_type_matches

from apps.audit import actions, operations
from apps.audit.models import AuditEntry
from apps.audit.timeline.filters import read_filters
from apps.audit.timeline.serialization import CONTENT_TYPES, FORMATS, write_row
from apps.audit.timeline.sources import Filters, timeline
from apps.base.actor import ActorKind
from apps.base.concurrency import heavy_work
from apps.base.errors import Invalid
from apps.base.permissions import Permission
from apps.base.requests import ApiRequest
from apps.base.rest.content_negotiation import strip_refused_ranges
from apps.base.rest.cursor_pagination import Cursors, link_to
from apps.base.rest.operations import Operation
from apps.base.rest.query_parameters import choice_parameter, listed_values, page_limit, time_parameter
from apps.base.rest.renderers import JSON_ONLY
from apps.base.rest.views import PortalView, serves

# The media types of an export's format; JSON Lines has several names.
MEDIA_TYPES = {
    "csv": ("text/csv",),
    "jsonl": ("application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines"),
}

# Filters that can be comma-separated lists.
MULTI_VALUE_FILTERS = ("category", "action")


class AuditLog(PortalView):
    about = "The log, newest first."

    @serves(operations.LIST_AUDIT_LOG, Permission.AUDIT_READ, etag=True)
    def get(self, request: ApiRequest) -> Response:
        """List what happened, newest first, changes that are not yet sealed included."""
        limit, cursors = page_limit(request), Cursors.of_request(request)
        filters = _filters(request)
        cursor = request.query_params.get("cursor")
        before = None if cursor is None else cursors.read(cursor, AuditEntry._meta.pk).key
        page = timeline(request.actor, filters, before, limit)
        response = Response([write_row(row) for row in page.rows])
        if page.after is not None:
            response["Link"] = link_to(request, "next", limit=limit, cursor=cursors.write(page.after))
        return response


class ExportAuditLog(PortalView):
    about = "The log as a file, with the filters of the list."

    def check_permission(self, request: ApiRequest, operation: Operation) -> None:
        """Check the scope of a key, then the export permission of a member who can read the log."""
        super().check_permission(request, operation)
        if request.actor.kind == ActorKind.USER:
            actions.require_export(request.actor)

    def perform_content_negotiation(self, request: Request, force: bool = False) -> tuple[Any, str]:
        """Accept clients that accept the media type of the requested format; errors are always JSON."""
        file_format = request.query_params.get("format", "")
        types = MEDIA_TYPES.get(file_format) or [name for names in MEDIA_TYPES.values() for name in names]
        accepted = strip_refused_ranges(request._request.META.get("HTTP_ACCEPT", "")).split(",")
        ranges = [each.partition(";")[0].strip() for each in accepted]
        if any(media_type_matches(name, each) for name in types for each in ranges if "/" in each and each != "*/*"):
            return JSON_ONLY, JSON_ONLY.media_type
        return super().perform_content_negotiation(request, force)

    # No ETag: rows are read while they are sent.
    @serves(operations.EXPORT_AUDIT_LOG, Permission.AUDIT_READ, etag=False)
    def get(self, request: ApiRequest) -> HttpResponseBase:
        """Send everything that matches, changes once sealed; the rows are read while they are sent."""
        file_format = choice_parameter(request, "format", FORMATS)
        if file_format is None:
            raise Invalid.field("format", "format must be one of csv, jsonl.")
        filters = _filters(request)
        response = StreamingHttpResponse(content_type=CONTENT_TYPES[file_format])
        if request.method != "HEAD":
            with heavy_work.reserve_slot(request.actor.organization_id) as slot:
                response.streaming_content = actions.export_log(
                    actor=request.actor, filters=filters, file_format=file_format
                )
                slot.hold_until_sent(response)
        now = timezone.now().astimezone(UTC)
        response["Content-Disposition"] = f'attachment; filename="audit-log-{now:%Y-%m-%dT%H-%M-%SZ}.{file_format}"'
        return response


def _filters(request: ApiRequest) -> Filters:
    since, until = time_parameter(request, "since"), time_parameter(request, "until")
    listed = {
        name: ",".join(listed_values(request.query_params, name))
        for name in MULTI_VALUE_FILTERS
        if name in request.query_params
    }
    return read_filters({**request.query_params.dict(), **listed}, since, until)

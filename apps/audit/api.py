"""``/v1/audit-log``: changes, calls and deliveries of the caller's organization."""

from typing import ClassVar
from urllib.parse import urlencode

from rest_framework.response import Response

from apps.audit.filters import read_filters
from apps.audit.models import AuditEntry
from apps.audit.serializers import write_row
from apps.audit.sources import timeline
from apps.base.api import PortalView
from apps.base.lists import make_cursor, read_cursor, time_parameter, whole_parameter
from apps.base.permissions import Permission
from apps.base.requests import ApiRequest


class AuditLog(PortalView):
    """The log, newest first."""

    requires: ClassVar = {"GET": Permission.AUDIT_READ}

    def get(self, request: ApiRequest) -> Response:
        """This will list what happened, newest first, changes that are not yet sealed included."""
        limit = whole_parameter(request, "limit", 50, 1, 200)
        since, until = time_parameter(request, "since"), time_parameter(request, "until")
        filters = read_filters(request.query_params, since, until)
        cursor = request.query_params.get("cursor")
        before = read_cursor(cursor, AuditEntry._meta.pk) if cursor else None
        page = timeline(request.actor, filters, before, limit)
        response = Response([write_row(row) for row in page.rows])
        if page.after is not None:
            response["Link"] = _next_link(request, limit, make_cursor(page.after))
        return response


def _next_link(request: ApiRequest, limit: int, cursor: str) -> str:
    kept = {name: value for name, value in request.query_params.items() if name not in ("limit", "cursor")}
    query = urlencode({**kept, "limit": limit, "cursor": cursor})
    return f'<{request._request.build_absolute_uri(request._request.path)}?{query}>; rel="next"'

"""``/v1/leaked-keys``: reports of keys found in public. ``/v1/descendants``: what a user or a key created."""

import time
from dataclasses import replace

from rest_framework.response import Response

from apps.base.actor import system
from apps.base.errors import Invalid, RateLimited
from apps.base.requests import ApiRequest, PortalRequest, source_of
from apps.base.rest.views import ANY_KEY, UNAUTHENTICATED, PortalView, serves
from apps.base.web.client_address import rate_limit_address
from apps.credentials import leaks, operations
from apps.credentials.descendants import (
    MAX_LISTED,
    READ_PERMISSIONS,
    WRITE_PERMISSIONS,
    descendants_of,
    end_descendants,
)
from apps.credentials.filters import creator_parameter
from apps.credentials.gate import rate_limits
from apps.credentials.gate.rate_limits import Window
from apps.credentials.serializers import (
    DescendantReferenceSerializer,
    DescendantSerializer,
    EndDescendantsBody,
    LeakBody,
)

REPORTS_PER_MINUTE = 30
# Every report takes at least this long, so that the response time does not reveal whether the key exists.
MIN_RESPONSE_SECONDS = 0.1


class LeakedKeys(PortalView):
    about = "Reports of keys that are public, from anybody. A credential in the headers is not looked at."
    callers = UNAUTHENTICATED

    @serves(operations.REPORT_LEAK, ANY_KEY, idempotent=False)
    def post(self, request: ApiRequest) -> Response:
        """Report a leaked key; the response is the same whether or not the key exists."""
        started = time.monotonic()
        raw = request._request
        limit_reports(raw)
        body = self.validated(request, LeakBody)
        reporter = replace(system(), **source_of(raw))
        leaks.report_leak(actor=reporter, plaintext=body["key"], where=body.get("where", ""))
        time.sleep(max(0.0, started + MIN_RESPONSE_SECONDS - time.monotonic()))
        return Response({}, status=202)


def limit_reports(request: PortalRequest) -> None:
    """Count a report, well-formed or not; raise RateLimited over 30 per minute from one address."""
    bucket = f"leak:{rate_limit_address(request.client_address)}"
    decision = rate_limits.consume([Window("reports", bucket, REPORTS_PER_MINUTE, 60)])
    if not decision.allowed:
        wait = decision.retry_after
        raise RateLimited(f"Too many reports from this address. Try again in {wait} seconds.", wait)


class Descendants(PortalView):
    about = "What a user or an API key created and what still works."

    @serves(operations.LIST_DESCENDANTS, READ_PERMISSIONS, etag=True)
    def get(self, request: ApiRequest) -> Response:
        """List active objects that a user or an API key created, directly or through created keys, oldest first."""
        creator = creator_parameter(request, "of")
        if creator is None:
            raise Invalid.field("of", "Send the id of a user or of an API key in of.")
        found = descendants_of(request.actor, creator)
        items = DescendantSerializer.write_all(found[:MAX_LISTED])
        return Response({"of": creator, "total": len(found), "descendants": items})


class EndDescendants(PortalView):
    about = "The end of what a user or an API key created."

    @serves(operations.END_DESCENDANTS, WRITE_PERMISSIONS, idempotent=True)
    def post(self, request: ApiRequest) -> Response:
        """Revoke keys and invitations, remove members and pause endpoints that a user or an API key created."""
        body = self.validated(request, EndDescendantsBody)
        result = end_descendants(
            actor=request.actor, creator=body["of"], only=body.get("only"), reason=body.get("reason", "")
        )
        return Response(
            {
                "ended": DescendantReferenceSerializer.write_all(result.ended),
                "kept": [
                    {**DescendantReferenceSerializer.write(descendant), "error": why} for descendant, why in result.kept
                ],
                "remaining": result.remaining,
            }
        )

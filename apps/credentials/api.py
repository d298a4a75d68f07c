"""``/v1/leaked-keys``: whoever finds a key in public may say so."""

import time
from dataclasses import replace
from typing import Any, ClassVar

from rest_framework.response import Response

from apps.base.actor import system
from apps.base.api import ANY_KEY, ANYBODY, PortalView
from apps.base.errors import RateLimited
from apps.base.neighborhoods import network
from apps.base.requests import ApiRequest, PortalRequest
from apps.credentials import actions, limits, operations
from apps.credentials.limits import Window
from apps.credentials.serializers import LeakBody

REPORTS_PER_MINUTE = 30
# What a report takes at least: longer than the work on a key that exists, so that time does not tell whether it does.
ANSWER_SECONDS = 0.1


class LeakedKeys(PortalView):
    """Reports of keys that are public, from anybody. A credential in the headers is not looked at."""

    requires: ClassVar[dict[str, Any]] = {"POST": ANY_KEY}
    offers = {"POST": operations.REPORT_LEAK}
    callers = ANYBODY
    takes_idempotency_key = False

    def post(self, request: ApiRequest) -> Response:
        """This will take the report of a leaked key; the answer is the same whether there is such a key or not."""
        started = time.monotonic()
        raw = request._request
        limit_reports(raw)
        body = self.validated(request, LeakBody)
        agent = raw.META.get("HTTP_USER_AGENT", "")
        reporter = replace(system(), address=raw.client_address, user_agent=agent, request_id=raw.request_id)
        actions.report_leak(actor=reporter, text=body["key"], where=body.get("where", ""))
        time.sleep(max(0.0, started + ANSWER_SECONDS - time.monotonic()))
        return Response({}, status=202)


def limit_reports(request: PortalRequest) -> None:
    """This will count a report, well-formed or not, and raise RateLimited over 30 a minute from one address."""
    bucket = f"leak:{network(request.client_address)}"
    decision = limits.take([Window("reports", bucket, REPORTS_PER_MINUTE, 60)])
    if not decision.allowed:
        wait = decision.retry_after
        raise RateLimited(f"Too many reports from this address. Try again in {wait} seconds.", wait)

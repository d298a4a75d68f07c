"""HTTP metrics of each web process: requests by route, method and status, and response times."""

import time
from functools import cache

from django.http import HttpResponse
from prometheus_client import Counter, Histogram

from apps.base.requests import PortalRequest
from apps.base.telemetry.access_log import UNMATCHED_ROUTE, method_label, route_of
from apps.base.web.middleware import GetResponse

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
REQUESTS = Counter(
    "portal_http_requests_total", "Answered requests, by the template of the path.", ["route", "method", "status"]
)
SECONDS = Histogram(
    "portal_http_request_duration_seconds", "How long it took until the response began.", ["route"], buckets=BUCKETS
)


@cache
def _metrics_for(route: str, method: str, status: int) -> tuple[Counter, Histogram]:
    """Return the counter and the histogram with these labels; cached, as ``labels()`` costs more than counting."""
    return REQUESTS.labels(route, method, status), SECONDS.labels(route)


# Created here, so that the first scrape has them: it is counted only after its response.
_metrics_for("/metrics", "GET", 200)
_metrics_for(UNMATCHED_ROUTE, "GET", 404)


class HttpMetricsMiddleware:
    """Counts every request; the outermost middleware."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: PortalRequest) -> HttpResponse:
        started = time.perf_counter()
        response = self.get_response(request)
        requests, seconds = _metrics_for(route_of(request), method_label(request), response.status_code)
        requests.inc()
        seconds.observe(time.perf_counter() - started)
        return response

"""The page that everybody gets while the operator has switched the portal to maintenance."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from apps.base import maintenance
from integrations_portal.errors import answer_error

# What programs of the operator ask: whether the process lives, and its counters.
ANSWERED = frozenset({"/healthz", "/readyz", "/metrics"})


class MaintenanceMiddleware:
    """Answers before a session is looked up. Calls of programs are answered in ``base/programs.py``."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path_info in ANSWERED or not maintenance.is_on():
            return self.get_response(request)
        answer = answer_error(request, maintenance.refusal(), minimal=True)
        answer["Cache-Control"] = "no-store, private"
        # Django logs each 503 as an error: the operator meant these.
        answer._has_been_logged = True  # type: ignore[attr-defined]  # Django's own mark
        return answer

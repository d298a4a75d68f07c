"""The access log: one line per request with route, status, duration and actor.

It bypasses log records and redaction, which would cost a tenth of a request's time. So it must not contain anything
that the caller controls: the path is the route's template, the request id is validated, ids are the portal's.
"""

import logging
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from apps.base.actor import ActorKind
from apps.base.identifiers import encode
from apps.base.requests import PortalRequest
from apps.base.telemetry.logging import JsonStream
from apps.base.telemetry.route_templates import method_of, route_of

logger = logging.getLogger("portal.access")

# Asked every few seconds by machines: only at DEBUG.
PROBES = frozenset({"/healthz", "/readyz", "/metrics"})


def log_request(request: PortalRequest, status: int, seconds: float) -> None:
    """Log a request before its response is sent; for streamed responses the time until they begin."""
    route = route_of(request)
    level = logging.DEBUG if route in PROBES else logging.INFO
    if not logger.isEnabledFor(level):
        return
    line = {
        "event": "request",
        "request_id": request.request_id,
        "method": method_of(request),
        "route": route,
        "status": status,
        "ms": round(seconds * 1000, 1),
        **_who(request),
        "client_address": request.client_address,
        "level": "debug" if route in PROBES else "info",
        "logger": logger.name,
        "timestamp": f"{datetime.now(UTC).isoformat(timespec='microseconds')[:-6]}Z",
    }
    # Not logger.info: it looks through the stack for the file and the line that called.
    for handler in logging.root.handlers:
        if isinstance(handler, JsonStream):
            handler.write_line(line)


def _who(request: PortalRequest) -> dict[str, Any]:
    """Return the ids of key, user and organization, as far as they are known already: nothing is looked up for it."""
    actor = request.actor
    if actor is not None:
        kind = "user" if actor.kind in (ActorKind.USER, ActorKind.OPERATOR) else "key"
        return {kind: actor.id, **_organization(actor.organization_id)}
    credential = getattr(getattr(request, "caller", None), "credential", None)
    if credential is not None:  # one that is refused
        return {"key": credential.public_id, **_organization(credential.organization_id)}
    # What request.user has found, where anybody asked it.
    user = getattr(request, "_cached_user", None)
    return {"user": user.public_id} if user is not None and user.is_authenticated else {}


@lru_cache(maxsize=1000)
def _organization(pk: UUID | None) -> dict[str, str]:
    return {} if pk is None else {"organization": encode("org", pk)}

"""Request types for annotations: the attributes that middleware and entry points set."""

from typing import Any

from django.http import HttpRequest
from rest_framework.request import Request

from apps.base.actor import Actor


class PortalRequest(HttpRequest):
    """A request after the middleware; never instantiated. Each attribute exists once its setter has run."""

    method: str
    environ: dict[str, Any]
    # The account (orgs.User, which base does not import) or Django's AnonymousUser.
    user: Any
    # RequestMiddleware, on every request.
    request_id: str
    client_address: str
    # enter_organization for pages, PortalView.initial for the API; None until then and without authentication.
    actor: Actor
    # enter_organization.
    organization: Any
    membership: Any
    nav: str
    # enter_organization, for an operator with support access: orgs.OperatorLook.
    support_access: Any
    # PortalView.initial: the AuthResult, and the remaining rate limits of the key.
    auth_result: Any
    limit_states: tuple[Any, ...]
    # PortalView.dispatch: the template of the path (``telemetry.access_log.route_of`` returns that of any request).
    route: str
    # PortalView.dispatch: an ExitStack that ends with the view, such as for a slot for heavy work.
    heavy_work: Any
    # rest.idempotency: the IdempotencyAttempt of a POST with Idempotency-Key, else None.
    idempotency_attempt: Any
    # For the call log: the scopes that the request used, and the other keys that it counts for.
    scopes_used: tuple[str, ...]
    uses: list[Any]


class ApiRequest(Request):
    """An API request, as PortalView passes it to its methods."""

    method: str
    _request: PortalRequest
    actor: Actor


def source_of(request: PortalRequest) -> dict[str, Any]:
    """Return where a request came from, as the fields of its ``Actor``."""
    return {
        "address": request.client_address,
        "user_agent": request.META.get("HTTP_USER_AGENT", "")[:300],
        "request_id": request.request_id,
    }

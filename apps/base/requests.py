"""Requests as views see them: what the middlewares and the doors have put on them. For annotations only."""

from typing import Any

from django.http import HttpRequest
from rest_framework.request import Request

from apps.base.actor import Actor


class PortalRequest(HttpRequest):
    """A request that passed the middlewares; nobody makes one. Each attribute is there once its setter ran."""

    method: str
    environ: dict[str, Any]
    # The account (orgs.User, which base does not import) or Django's AnonymousUser.
    user: Any
    # RequestMiddleware, on every request.
    request_id: str
    client_address: str
    # The door: enter_organization for pages, PortalView.initial for the API. Until then, and for strangers, None.
    actor: Actor
    # The door of pages.
    organization: Any
    membership: Any
    nav: str
    # The door of pages, where an operator looks at what a customer sees: orgs.OperatorLook.
    look: Any
    # The door of the API: its Caller, and what is left of the limits of a key.
    caller: Any
    limit_states: tuple[Any, ...]
    # PortalView.dispatch: the template of the path (``base.routes.route_of`` knows that of any request).
    route: str
    # PortalView.dispatch: what ends with the view, such as a place for heavy work.
    heavy_work: Any
    # The door of the API: base.idempotency.Attempt of a POST with Idempotency-Key, else None.
    attempt: Any
    # The door of the API, for the call log: the scopes that the call used, and for which other keys it counts.
    scopes_used: tuple[str, ...]
    uses: list[Any]


class ApiRequest(Request):
    """A request of the API, as PortalView hands it to its methods."""

    method: str
    _request: PortalRequest
    actor: Actor

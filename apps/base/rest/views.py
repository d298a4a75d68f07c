"""The base view of the public API: the checks before a method, the body, and the pages of lists.

The order of errors (docs/api.md): credential 400/401, limits 429, organization and network 403, path 404,
method 405, scope 403, Accept 406, object 404, body 413/415/400, state 409.
"""

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from itertools import islice
from operator import attrgetter
from typing import Any, ClassVar, TypeVar, cast

from django.conf import settings
from django.db.models import QuerySet
from django.urls import URLPattern, re_path
from rest_framework import serializers
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.base.concurrency import heavy_work
from apps.base.errors import Forbidden, NotFound, PortalError
from apps.base.permissions import Permission
from apps.base.requests import ApiRequest, PortalRequest
from apps.base.rest.browsable import form_requests
from apps.base.rest.content_negotiation import accepts_json, strip_refused_ranges
from apps.base.rest.cursor_pagination import Cursors, link_to, read_page, rows_after
from apps.base.rest.etags import check_conditions, expected_versions, tag_change, tag_read
from apps.base.rest.idempotency import honor_idempotency_key
from apps.base.rest.object_versions import ExpectedVersion
from apps.base.rest.operations import METHODS, Operation
from apps.base.rest.parsing import SessionFormParser, StrictJSONParser, check_coding, check_length
from apps.base.rest.query_parameters import check_parameters, page_limit
from apps.base.rest.renderers import JSON_ONLY, ONE_TIME_SECRETS, JSONRenderer, add_headers
from apps.base.rest.request_identity import AuthResult, authenticate_request, https_refusal, resolve_hook

PARSERS = [StrictJSONParser(), SessionFormParser()]
NEGOTIATION = DefaultContentNegotiation()
ANY_KEY: tuple[Permission, ...] = ()
# As ``callers``: any caller. Credentials are not read, and requests are neither rate limited nor logged.
UNAUTHENTICATED: tuple[str, ...] = ()
# Statuses that do not count toward rate limits: requests counted before are refunded.
REFUNDED_STATUSES = (401, 429)
KEYS_ONLY = "No role of a person may do this: it takes a key."


def api_path(route: str, view: type["PortalView"], name: str) -> URLPattern:
    """Route ``/v1/<route>``, with or without a trailing slash; ``{id}`` takes one path segment."""
    pattern = "/".join(
        f"(?P<{part[1:-1]}>[^/]+)" if part.startswith("{") else part for part in route.split("/") if part
    )
    # Not "$", which also matches before a trailing line break.
    return re_path(rf"^{pattern}/?\Z", view.as_view(route=f"/v1/{route}"), name=f"api-{name}")


Method = TypeVar("Method", bound=Callable[..., Any])


def serves(
    operation: Operation,
    permissions: Permission | tuple[Permission, ...],
    *,
    etag: bool | None = None,
    idempotent: bool | None = None,
    if_match: bool = False,
    heavy: bool = False,
) -> Callable[[Method], Method]:
    """Declare the operation that a method of a view serves, and wrap the method accordingly.

    ``permissions``: one, a tuple of which one is enough, or ANY_KEY. ``etag``, required for GET: the response has an
    ETag, and is 304 where the caller has it already. ``idempotent``, required for POST: it honors Idempotency-Key;
    such a method reads its body by ``validated``, even an empty one, because that starts the transaction.
    ``if_match``: the method passes ``expected`` to its action, and an ``ObjectResponse`` gets the ETag that GET returns
    now. ``heavy``: requests with a valid body take long, so only a few run at a time.
    """
    accepted = (permissions,) if isinstance(permissions, Permission) else permissions

    def declare(method: Method) -> Method:
        name = method.__name__
        if (etag is not None, idempotent is not None) != (name == "get", name == "post"):
            raise TypeError(f"{method.__qualname__}: each get says etag, each post idempotent, and nothing else does")
        served: Any = method
        if etag:
            served = tag_read(served)
        elif if_match:
            served = tag_change(served)
        if idempotent:
            served = honor_idempotency_key(served)
        options: dict[str, Any] = {"etag": bool(etag), "idempotent": bool(idempotent), "if_match": if_match}
        served.operation = replace(operation, permissions=accepted, heavy=heavy, **options)
        return cast(Method, served)

    return declare


def _operation_of(method: Any) -> Operation:
    operation = getattr(method, "operation", None)
    if operation is None:
        raise TypeError(f"{method.__qualname__} declares no operation: it takes @serves")
    return cast(Operation, operation)


class PortalView(APIView):
    """An API view, whose methods are each declared by ``serves``, else TypeError at import.

    ``about``: the description on the browsable API's page for a method that the view does not have.
    """

    route = ""
    about: ClassVar[str] = ""
    # By HTTP method.
    operations: ClassVar[dict[str, Operation]] = {}
    callers: ClassVar[tuple[str, ...]] = ("api_key", "user")
    http_method_names = ("get", "post", "put", "patch", "delete", "head")
    format_kwarg = None
    allow = ""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        own = [method for method in METHODS if hasattr(cls, method.lower())]
        cls.operations = {method: _operation_of(getattr(cls, method.lower())) for method in own}
        cls.allow = ", ".join([*own, "HEAD"] if "GET" in own else own)

    def initial(self, request: ApiRequest, *args: Any, **kwargs: Any) -> None:  # type: ignore[override]  # it has passed the middlewares
        """Run the checks before a method in the documented order (docs/api.md)."""
        http_request = request._request
        request.accepted_renderer, request.accepted_media_type = JSON_ONLY, JSON_ONLY.media_type
        auth = authenticate_request(http_request) if self.callers else AuthResult(refusal=https_refusal(http_request))
        http_request.auth_result = auth
        http_request.actor = request.actor = auth.actor  # type: ignore[assignment]  # None: refused in the next lines
        if auth.is_browser_session:
            request.accepted_renderer, request.accepted_media_type = self.perform_content_negotiation(request)
        if auth.refusal is not None:
            raise auth.refusal
        if auth.is_browser_session:
            form_requests.apply_hidden_fields(http_request)
        if "\0" in http_request.path_info:
            # PostgreSQL has no NUL in texts, so nothing can match.
            raise NotFound()
        operation = self.operations.get("GET" if http_request.method == "HEAD" else http_request.method)
        if operation is None:
            raise PortalError(f"This path does not take {http_request.method}.", "method_not_allowed")
        self.check_permission(request, operation)
        if auth.is_browser_session:
            form_requests.require_confirmation(http_request, operation)
        request.accepted_renderer, request.accepted_media_type = self.perform_content_negotiation(request)
        if http_request.META.get("QUERY_STRING"):
            check_parameters(http_request.GET, operation, is_session=auth.is_browser_session)
        is_page = request.accepted_renderer is not JSON_ONLY
        check_conditions(http_request.META, http_request.method, operation, is_page=is_page)

    # DRF's methods, without what they create per request and JSON does not need.

    def initialize_request(self, request: PortalRequest, *args: Any, **kwargs: Any) -> ApiRequest:  # type: ignore[override]  # it has passed the middlewares
        """Wrap a request with shared parsers, without authentication, which is ``authenticate_request``'s."""
        context = {"view": self, "args": args, "kwargs": kwargs}
        return cast(ApiRequest, Request(request, PARSERS, (), NEGOTIATION, context))

    @property
    def default_response_headers(self) -> dict[str, str]:
        """The methods of this view, and that the response depends on Accept."""
        return {"Allow": self.allow, "Vary": "Accept"}

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        """Prepare JSON for ``renderers.render``; leave other media types to DRF."""
        is_json = request.accepted_renderer is JSON_ONLY and isinstance(response, Response)
        if not is_json or "Vary" in response.headers:
            return super().finalize_response(request, response, *args, **kwargs)
        response.accepted_renderer, response.accepted_media_type = JSON_ONLY, JSON_ONLY.media_type
        response.renderer_context = {}
        add_headers(response, self.headers)
        return response

    def check_permission(self, request: ApiRequest, operation: Operation) -> None:
        """Raise Forbidden for a kind of actor that the view does not serve, then for a missing permission."""
        if not self.callers:
            return
        http_request, actor, needed = request._request, request.actor, operation.permissions
        is_session = http_request.auth_result.is_browser_session
        if actor.kind not in self.callers:
            message = KEYS_ONLY if is_session else "This kind of key cannot be used here."
            raise Forbidden(message, "insufficient_scope")
        http_request.scopes_used = tuple(islice(filter(actor.can, needed), 1))
        if needed and not http_request.scopes_used:
            who_can_grant = resolve_hook(settings.PORTAL_WHO_DECIDES)
            if is_session and not who_can_grant(http_request.organization, needed)["role"]:
                # No role has the permission, so no member can grant it.
                raise Forbidden(KEYS_ONLY, needed=needed)
            actor.require(*needed)

    def perform_content_negotiation(self, request: Request, force: bool = False) -> tuple[Any, str]:
        """Choose the renderer: without a session, JSON wherever Accept admits it.

        The usual values of API clients skip DRF's negotiation, which is slow.
        """
        http_request = cast(PortalRequest, request._request)
        accept = http_request.META.setdefault("HTTP_ACCEPT", "*/*")
        if force or accept in ("*/*", "application/json", ""):
            return JSON_ONLY, JSON_ONLY.media_type
        accept = http_request.META["HTTP_ACCEPT"] = strip_refused_ranges(accept)
        if not http_request.auth_result.is_browser_session and accepts_json(accept):
            return JSON_ONLY, JSON_ONLY.media_type
        renderer, media_type = super().perform_content_negotiation(request, force)
        # The shared renderer, by which views and ETags recognize JSON.
        return (JSON_ONLY, JSON_ONLY.media_type) if isinstance(renderer, JSONRenderer) else (renderer, media_type)

    def dispatch(self, request: PortalRequest, *args: Any, **kwargs: Any) -> Response:  # type: ignore[override]  # it has passed the middlewares
        """Run the view, add the headers of authentication and rate limits, and write the call log."""
        started = time.perf_counter()
        request.auth_result, request.idempotency_attempt, request.scopes_used, request.uses = AuthResult(), None, (), []
        request.route = self.route
        with ExitStack() as request.heavy_work:
            response = cast(Response, super().dispatch(request, *args, **kwargs))
        if response.status_code in REFUNDED_STATUSES and request.auth_result.refund is not None:
            request.auth_result.refund(request)
            request.auth_result.headers = request.auth_result.headers if response.status_code == 429 else {}
        add_headers(response, request.auth_result.headers)
        if request.idempotency_attempt is not None:
            request.idempotency_attempt.close(response)
        # Streamed files have no data.
        data = getattr(response, "data", None)
        if isinstance(data, dict) and not ONE_TIME_SECRETS.isdisjoint(data):
            # Pages have forms, which browsers send with "Origin: null" where there is no referrer (ADR 11).
            response["Referrer-Policy"] = "same-origin" if request.auth_result.is_browser_session else "no-referrer"
            response["X-Robots-Tag"] = "noindex, nofollow"
        resolve_hook(settings.PORTAL_CALL_LOG)(
            request=request,
            auth_result=request.auth_result,
            route=self.route,
            status=response.status_code,
            code=data.get("code", "") if response.status_code >= 400 and data else "",
            duration_ms=(time.perf_counter() - started) * 1000,
        )
        return response

    # Bodies and lists

    def validated(
        self,
        request: ApiRequest,
        serializer: type[serializers.Serializer[Any]],
        prepare: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
        **options: Any,
    ) -> dict[str, Any]:
        """Return the validated values of the body, or raise the error of an invalid one (413, 415 or 400).

        ``prepare`` does slow work with valid values, such as hashing a password: where the request has an
        Idempotency-Key, the rest of the method runs in a transaction.
        """
        check_length(request._request.META.get("CONTENT_LENGTH"))
        check_coding(request._request.META)
        checker = serializer(data=form_requests.to_json_value(request.data, serializer), **options)
        checker.is_valid(raise_exception=True)
        if self.operations[request.method].heavy:
            request._request.heavy_work.enter_context(heavy_work.reserve_slot(request.actor.organization_id))
        values = checker.validated_data if prepare is None else prepare(checker.validated_data)
        if request._request.idempotency_attempt is not None:
            request._request.idempotency_attempt.begin()
        return values

    def expected(self, request: ApiRequest) -> ExpectedVersion:
        """Return the versions that ``If-Match`` expects; call it after ``validated``, as body errors come first."""
        return expected_versions(request._request.META)

    def offset_page(
        self,
        request: ApiRequest,
        rows: QuerySet[Any],
        write: Callable[[Any], Any],
        key: Callable[[Any], Any] = attrgetter("pk"),
        column: str = "pk",
    ) -> Response:
        """Return ``limit`` rows from ``offset`` or ``cursor``, with the total and links to other pages in headers.

        ``column`` is what the list is ordered by, ascending, and ``key`` returns its value in a row.
        """
        page = read_page(request, rows, column)
        response = Response([write(row) for row in page.rows])
        response["X-Total-Count"] = str(page.total)
        response["Link"] = page.links(request, key)
        return response

    def cursor_page(self, request: ApiRequest, rows: QuerySet[Any], write: Callable[[Any], Any]) -> Response:
        """Return ``limit`` rows after ``cursor``, newest first by primary key."""
        limit, cursors = page_limit(request), Cursors.of_request(request)
        text = request.query_params.get("cursor")
        rows = (
            rows.order_by("-pk") if text is None else rows_after(rows, cursors.read(text, rows.model._meta.pk), "-pk")
        )
        found = list(rows[: limit + 1])
        response = Response([write(row) for row in found[:limit]])
        if len(found) > limit:
            response["Link"] = link_to(request, "next", limit=limit, cursor=cursors.write(found[limit - 1].pk))
        return response

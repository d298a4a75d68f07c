"""``/v1/sdk-keys`` for organizations and ``/v1/sdk/activations`` for their apps.

For cross-origin requests (CORS, https://fetch.spec.whatwg.org/#http-cors-protocol): A preflight has no key, so it
allows any origin, without credentials; the response to the actual request allows only the key's own origins.
"""

import re
from typing import Any, cast

from django.http import HttpResponse
from rest_framework.response import Response

from apps.base.errors import Forbidden, RateLimited
from apps.base.permissions import Permission
from apps.base.requests import ApiRequest, PortalRequest
from apps.base.rest.operations import Operation
from apps.base.rest.query_parameters import choice_list_parameter
from apps.base.rest.views import ANY_KEY, PortalView, serves
from apps.credentials.filters import filter_keys
from apps.credentials.gate import rate_limits
from apps.credentials.key_api import KeyResource
from apps.credentials.models import SecretKeyQuerySet
from apps.sdk_keys import actions, operations
from apps.sdk_keys.device_identity import device_digest
from apps.sdk_keys.key_query import SdkRow
from apps.sdk_keys.models import Activation, Platform, SdkKey
from apps.sdk_keys.serializers import (
    ActivateDeviceBody,
    ActivationSerializer,
    DeviceActivationSerializer,
    DeviceActivationWithTokenSerializer,
    HeartbeatBody,
    SdkKeySerializer,
    SdkKeyWithSecretSerializer,
)

USUAL_HEADERS = "Authorization, X-API-Key, X-Activation-Token, X-Request-ID, Content-Type, If-Match, If-None-Match"
LIMITS = "RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset, RateLimit-Policy, RateLimit, Retry-After"
READABLE = f"{LIMITS}, X-Request-ID, ETag"
PREFLIGHT_SECONDS = 600
# Field names (RFC 9110 section 5.6.2): tracing libraries ask for baggage, traceparent, sentry-trace and others.
FIELD_NAME = r"[ \t]*[!#$%&'*+.^_`|~0-9A-Za-z-]+[ \t]*"
FIELD_NAMES = re.compile(f"{FIELD_NAME}(?:,{FIELD_NAME})*", re.ASCII)


def _chosen(request: ApiRequest, rows: SecretKeyQuerySet[SdkKey]) -> SecretKeyQuerySet[SdkKey]:
    rows, platforms = filter_keys(request, rows), choice_list_parameter(request, "platform", Platform.values)
    return rows.filter(platform__in=platforms) if platforms else rows


SDK_KEY_RESOURCE = KeyResource(
    path="sdk-keys",
    noun="an SDK key",
    model=SdkKey,
    apply_filters=_chosen,
    serializer=SdkKeySerializer,
    new_serializer=SdkKeyWithSecretSerializer,
    actions=actions.KEY_ACTIONS,
    operations=operations.SDK_KEYS,
)


class Activations(PortalView):
    about = "The devices of an SDK key."

    @serves(operations.LIST_ACTIVATIONS, Permission.SDK_KEYS_READ, etag=True)
    def get(self, request: ApiRequest, id: str) -> Response:
        """List activations, oldest first, including those deactivated within 90 days."""
        key = SdkKey.objects.for_actor(request.actor).with_public_id(id)
        rows = Activation.objects.for_actor(request.actor).filter(pool_id=key.pool_id).order_by("pk")
        return self.offset_page(request, rows, ActivationSerializer.write)


class OneActivation(PortalView):
    about = "One device of an SDK key."

    @serves(operations.DEACTIVATE_ACTIVATION, (Permission.SDK_KEYS_WRITE, Permission.ACTIVATIONS_WRITE))
    def delete(self, request: ApiRequest, id: str, act: str) -> Response:
        """Deactivate a device, which invalidates its token."""
        actions.deactivate_activation(actor=request.actor, key_id=id, activation_id=act)
        return Response(status=204)


class SdkView(PortalView):
    """The base view of apps: SDK keys only, and web keys from their own origins only."""

    callers = ("sdk_key",)

    def dispatch(self, request: PortalRequest, *args: Any, **kwargs: Any) -> Any:  # type: ignore[override]  # as in PortalView
        """Respond to a preflight, and let the key's own origins read the response to an actual request."""
        if request.method == "OPTIONS" and "HTTP_ACCESS_CONTROL_REQUEST_METHOD" in request.META:
            return self._preflight(request.META.get("HTTP_ACCESS_CONTROL_REQUEST_HEADERS", ""))
        response = super().dispatch(request, *args, **kwargs)
        response["Vary"] = f"{response['Vary']}, Origin" if response.has_header("Vary") else "Origin"
        if isinstance(response.data, dict) and "token" in response.data:
            response["Referrer-Policy"], response["Cache-Control"] = "no-referrer", "no-store, private"
        origin, row = request.META.get("HTTP_ORIGIN"), request.auth_result.credential
        if isinstance(row, SdkRow) and origin in row.origins:
            response["Access-Control-Allow-Origin"] = origin
            response["Access-Control-Expose-Headers"] = READABLE
        return response

    def _preflight(self, requested_headers: str) -> HttpResponse:
        response = HttpResponse(status=204)
        response["Access-Control-Allow-Origin"] = "*"
        response["Access-Control-Allow-Methods"] = self.allow
        response["Access-Control-Allow-Headers"] = (
            requested_headers if FIELD_NAMES.fullmatch(requested_headers) else USUAL_HEADERS
        )
        response["Vary"] = "Access-Control-Request-Headers"
        response["Access-Control-Max-Age"] = str(PREFLIGHT_SECONDS)
        return response

    def check_permission(self, request: ApiRequest, operation: Operation) -> None:
        """Refuse other kinds of keys, and a web key from a foreign origin."""
        super().check_permission(request, operation)
        row = self.row(request)
        if row.key_type == Platform.WEB and request._request.META.get("HTTP_ORIGIN") not in row.origins:
            raise Forbidden("This key may be used from its own origins only.", "origin_not_allowed")

    def row(self, request: ApiRequest) -> SdkRow:
        """Return the request's key as the gate read it."""
        return cast(SdkRow, request._request.auth_result.credential)

    def count_device(self, request: ApiRequest, digest: str) -> None:
        """Count the request on the device's own limit, in addition to that of its address, or raise RateLimited."""
        raw = request._request
        decision = actions.consume_rate_limit(self.row(request).pool_id, digest)
        if decision.allowed:
            raw.limit_states = (*raw.limit_states, *decision.states)
            raw.auth_result.headers = rate_limits.headers(raw.limit_states)
        else:
            raw.auth_result.exceeded_limits, wait = decision.states, decision.retry_after
            raise RateLimited(f"This device calls too often. Try again in {wait} seconds.", wait)

    def own_activation(self, request: ApiRequest, id: str) -> Activation:
        """Return the activation in the path after checking its token; NotFound once it is deactivated."""
        activation = actions.find_activation(self.row(request), id)
        self.count_device(request, activation.device_digest)
        actions.check_token(activation, request._request.META.get("HTTP_X_ACTIVATION_TOKEN", ""))
        return activation


class Activate(SdkView):
    about = "A device to activate."

    @serves(operations.ACTIVATE, ANY_KEY, idempotent=False)
    def post(self, request: ApiRequest) -> Response:
        """Activate a device: 201, or 200 where it is already active; only this response contains the token."""
        row, values = self.row(request), self.validated(request, ActivateDeviceBody)
        self.count_device(request, device_digest(row.pool_id, values["device_id"]))
        check_app(row, values.pop("app_id", None) or "", values.pop("cert_sha256", None) or "")
        device = actions.Device(**values)
        activation, token, is_new = actions.activate(actor=request.actor, row=row, device=device)
        body = DeviceActivationWithTokenSerializer.write(activation, token=token)
        return Response(body, status=201 if is_new else 200)


def check_app(row: SdkRow, app_id: str, cert_sha256: str) -> None:
    """Raise Forbidden ``app_not_allowed`` unless the app is the key's own.

    This deters but proves nothing: an attacker who extracts the key from an app can send the same values.
    """
    if row.app_id and app_id != row.app_id:
        raise Forbidden("This key belongs to another app: app_id is missing or not the key's.", "app_not_allowed")
    if row.cert_sha256 and cert_sha256.replace(":", "").upper() != row.cert_sha256.replace(":", ""):
        message = (
            "This key belongs to an app with another signing certificate: cert_sha256 is missing or not the key's."
        )
        raise Forbidden(message, "app_not_allowed")


class OwnActivation(SdkView):
    about = "A device's own activation."

    @serves(operations.GET_OWN_ACTIVATION, ANY_KEY, etag=True)
    def get(self, request: ApiRequest, id: str) -> Response:
        """Return the activation."""
        return Response(DeviceActivationSerializer.write(self.own_activation(request, id)))

    @serves(operations.DEACTIVATE_OWN_ACTIVATION, ANY_KEY)
    def delete(self, request: ApiRequest, id: str) -> Response:
        """Deactivate the device."""
        actions.deactivate_own_activation(actor=request.actor, activation=self.own_activation(request, id))
        return Response(status=204)


class Heartbeat(SdkView):
    about = "A device that is in use."

    @serves(operations.RECORD_HEARTBEAT, ANY_KEY, idempotent=False)
    def post(self, request: ApiRequest, id: str) -> Response:
        """Record that the device is in use."""
        activation, values = self.own_activation(request, id), self.validated(request, HeartbeatBody)
        activation = actions.record_heartbeat(actor=request.actor, activation=activation, **values)
        return Response(DeviceActivationSerializer.write(activation))

"""``/v1/me``, ``/v1/api-keys`` and ``/v1/usage``."""

from typing import cast
from uuid import UUID

from django.utils import timezone
from rest_framework.response import Response

from apps.api_keys import actions, operations
from apps.api_keys.filters import filter_api_keys, usage_span
from apps.api_keys.models import ApiKey
from apps.api_keys.reports.usage import keys_by_pk, last_use_of_organization
from apps.api_keys.serializers import (
    ApiKeySerializer,
    ApiKeyWithSecretSerializer,
    MeSerializer,
    VerifyApiKeyBody,
)
from apps.api_keys.usage_serializers import KeyUsageSerializer, UsageSerializer
from apps.api_keys.verification import verify
from apps.audit.calls.usage_report import key_usage, organization_usage
from apps.audit.models import LastUse
from apps.base.permissions import Permission
from apps.base.requests import ApiRequest
from apps.base.rest.views import ANY_KEY, PortalView, serves
from apps.credentials.gate.key_check import KeyCheckResult
from apps.credentials.key_api import KeyResource

API_KEY_RESOURCE = KeyResource(
    path="api-keys",
    noun="a key",
    model=ApiKey,
    apply_filters=filter_api_keys,
    serializer=ApiKeySerializer,
    new_serializer=ApiKeyWithSecretSerializer,
    actions=actions.KEY_ACTIONS,
    operations=operations.API_KEYS,
)


class Me(PortalView):
    about = "Who am I: the key, its organization, and what is left of its limits."
    callers = ("api_key",)

    # No ETag: the remaining limits change with each request.
    @serves(operations.GET_ME, ANY_KEY, etag=False)
    def get(self, request: ApiRequest) -> Response:
        """Describe the calling key."""
        raw = request._request
        return Response(MeSerializer.write(KeyCheckResult(key=raw.auth_result.credential, states=raw.limit_states)))


class VerifyApiKey(PortalView):
    about = "Somebody else's key, as a gateway received it."

    @serves(operations.VERIFY_API_KEY, Permission.API_KEYS_VERIFY, idempotent=False)
    def post(self, request: ApiRequest) -> Response:
        """Verify a key and count the request on its limits and in its usage; the status is always 200."""
        return Response(verify(request, **self.validated(request, VerifyApiKeyBody)))


class KeyUsage(PortalView):
    about = "What a key was used for."

    @serves(operations.GET_KEY_USAGE, (Permission.API_KEYS_READ, Permission.USAGE_READ), etag=False)
    def get(self, request: ApiRequest, id: str) -> Response:
        """Return the figures of one key."""
        key = ApiKey.objects.for_actor(request.actor).with_public_id(id)
        span = usage_span(request, timezone.now())
        report = key_usage(key.organization_id, key.pk, span)
        return Response(KeyUsageSerializer.write(report, last_use=LastUse.objects.filter(pk=key.pk).first()))


class Usage(PortalView):
    about = "What the organization's keys, and its members in the browsable API, called."

    # No ETag: the request itself is counted.
    @serves(operations.GET_USAGE, Permission.USAGE_READ, etag=False)
    def get(self, request: ApiRequest) -> Response:
        """Return the figures of the organization."""
        span = usage_span(request, timezone.now())
        report = organization_usage(cast(UUID, request.actor.organization_id), span)
        last_use = last_use_of_organization(request.actor)
        api_keys = keys_by_pk(request.actor, report)
        return Response(UsageSerializer.write(report, api_keys=api_keys, last_use=last_use))

"""``/v1/me``, ``/v1/api-keys`` and ``/v1/usage``."""

from collections.abc import Callable
from typing import cast
from uuid import UUID

from django.utils import timezone
from rest_framework.response import Response

from apps.api_keys import actions, operations
from apps.api_keys.filters import chosen_api_keys, usage_span
from apps.api_keys.models import ApiKey
from apps.api_keys.serializers import (
    KeyChangeBody,
    NewKeyBody,
    RevokeBody,
    VerifyBody,
    write_key,
    write_limits,
    write_me,
    write_organization,
)
from apps.api_keys.usage_figures import write_usage, write_usage_of_organization
from apps.api_keys.verification import verify
from apps.audit.figures import of_key, of_organization
from apps.audit.models import LastUse
from apps.base.api import ANY_KEY, PortalView, serves
from apps.base.conditions import ObjectResponse
from apps.base.permissions import Permission
from apps.base.requests import ApiRequest
from apps.base.serializers import StrictSerializer
from apps.credentials.gate_rows import KeyRow
from apps.credentials.models import SecretKeyQuerySet
from apps.credentials.serializers import NothingBody, ReasonBody, RotateBody


def rows_of(request: ApiRequest) -> SecretKeyQuerySet[ApiKey]:
    """This will return the caller's organization's keys, oldest first, with what their objects show."""
    return ApiKey.objects.for_actor(request.actor).with_related().order_by("pk")


class Me(PortalView):
    about = "Who am I: the key, its organization, and what is left of its limits."
    callers = ("api_key",)

    # What is left of the limits is less with each call.
    @serves(operations.GET_ME, ANY_KEY, etag=False)
    def get(self, request: ApiRequest) -> Response:
        """This will describe the calling key."""
        row: KeyRow = request._request.caller.credential
        states = request._request.limit_states
        return Response({"organization": write_organization(row), "key": write_me(row), "limits": write_limits(states)})


class ApiKeys(PortalView):
    about = "The organization's keys."

    @serves(operations.LIST_API_KEYS, Permission.API_KEYS_READ, etag=True)
    def get(self, request: ApiRequest) -> Response:
        """This will list keys, oldest first, in every state."""
        response = self.offset_page(request, chosen_api_keys(request, rows_of(request)), lambda key: key)
        uses = LastUse.objects.in_bulk([key.pk for key in response.data])
        response.data = [write_key(key, uses.get(key.pk)) for key in response.data]
        return response

    @serves(operations.CREATE_API_KEY, Permission.API_KEYS_WRITE, idempotent=True)
    def post(self, request: ApiRequest) -> Response:
        """This will make a key; its text is in this answer and never again."""
        key, text = actions.create_key(actor=request.actor, **self.validated(request, NewKeyBody))
        return Response(write_key(key, text=text), status=201)


def answer_with(request: ApiRequest, id: str) -> ObjectResponse:
    """This will answer one key as it is now."""
    key = rows_of(request).with_public_id(id)
    return ObjectResponse(write_key(key, LastUse.objects.filter(pk=key.pk).first()), key.version)


class OneApiKey(PortalView):
    about = "One key."

    @serves(operations.GET_API_KEY, Permission.API_KEYS_READ, etag=True)
    def get(self, request: ApiRequest, id: str) -> Response:
        """This will return one key."""
        return answer_with(request, id)

    @serves(operations.UPDATE_API_KEY, Permission.API_KEYS_WRITE, if_match=True)
    def patch(self, request: ApiRequest, id: str) -> Response:
        """This will change name, networks, limits, or make the scopes fewer."""
        rows_of(request).with_public_id(id)
        body, expected = self.validated(request, KeyChangeBody), self.expected(request)
        actions.update_key(actor=request.actor, key_id=id, expected=expected, **body)
        return answer_with(request, id)


class RotateApiKey(PortalView):
    about = "A successor for a key."

    @serves(operations.ROTATE_API_KEY, Permission.API_KEYS_WRITE, idempotent=True, if_match=True)
    def post(self, request: ApiRequest, id: str) -> Response:
        """This will make a key with the same settings; its text is in this answer and never again."""
        rows_of(request).with_public_id(id)
        body, expected = self.validated(request, RotateBody), self.expected(request)
        made, text = actions.rotate_key(actor=request.actor, key_id=id, expected=expected, **body)
        key = rows_of(request).get(pk=made.pk)
        return Response(write_key(key, text=text), status=201)


class ChangeOfState(PortalView):
    """The base of what brings a key into another state: the object is answered, also where it was so already."""

    body: type[StrictSerializer] = NothingBody

    def change(self, request: ApiRequest, id: str, action: Callable[..., ApiKey]) -> Response:
        """This will call the action with what the body holds and answer the key."""
        rows_of(request).with_public_id(id)
        body, expected = self.validated(request, self.body), self.expected(request)
        action(actor=request.actor, key_id=id, expected=expected, **body)
        return answer_with(request, id)


class RevokeApiKey(ChangeOfState):
    about = "The end of a key."
    body = RevokeBody

    @serves(operations.REVOKE_API_KEY, Permission.API_KEYS_WRITE, idempotent=True, if_match=True)
    def post(self, request: ApiRequest, id: str) -> Response:
        """Revoke a key, with what it made by rotating itself; again is the same answer and changes nothing."""
        return self.change(request, id, actions.revoke_key)


class DisableApiKey(ChangeOfState):
    about = "A key that is switched off for a while."
    body = ReasonBody

    @serves(operations.DISABLE_API_KEY, Permission.API_KEYS_WRITE, idempotent=True, if_match=True)
    def post(self, request: ApiRequest, id: str) -> Response:
        """This will switch a key off until it is enabled."""
        return self.change(request, id, actions.disable_key)


class EnableApiKey(ChangeOfState):
    about = "A disabled key that is switched on again."

    @serves(operations.ENABLE_API_KEY, Permission.API_KEYS_WRITE, idempotent=True, if_match=True)
    def post(self, request: ApiRequest, id: str) -> Response:
        """This will switch a disabled key on again."""
        return self.change(request, id, actions.enable_key)


class ReleaseApiKey(ChangeOfState):
    about = "The end of a quarantine."

    @serves(operations.RELEASE_API_KEY, Permission.API_KEYS_WRITE, idempotent=True, if_match=True)
    def post(self, request: ApiRequest, id: str) -> Response:
        """This will take a key out of quarantine."""
        return self.change(request, id, actions.release_key)


class VerifyApiKey(PortalView):
    about = "Somebody else's key, as a gateway received it."

    @serves(operations.VERIFY_API_KEY, Permission.API_KEYS_VERIFY, idempotent=False)
    def post(self, request: ApiRequest) -> Response:
        """This will judge a key, count the call on its limits and in its usage, and answer 200 whatever it finds."""
        return Response(verify(request, **self.validated(request, VerifyBody)))


class KeyUsage(PortalView):
    about = "What a key was used for."

    @serves(operations.GET_KEY_USAGE, (Permission.API_KEYS_READ, Permission.USAGE_READ), etag=False)
    def get(self, request: ApiRequest, id: str) -> Response:
        """This will return the figures of one key."""
        key = ApiKey.objects.for_actor(request.actor).with_public_id(id)
        span = usage_span(request, timezone.now())
        figures = of_key(key.organization_id, key.pk, span)
        return Response(write_usage(figures, LastUse.objects.filter(pk=key.pk).first()))


class Usage(PortalView):
    about = "What the organization's keys, and its members in the browsable API, called."

    # The call that asks counts itself.
    @serves(operations.GET_USAGE, Permission.USAGE_READ, etag=False)
    def get(self, request: ApiRequest) -> Response:
        """This will return the figures of the organization."""
        span = usage_span(request, timezone.now())
        figures = of_organization(cast(UUID, request.actor.organization_id), span)
        return Response(write_usage_of_organization(request.actor, figures))

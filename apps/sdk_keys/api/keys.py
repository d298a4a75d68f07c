"""The organization's SDK keys and the devices that hold an activation of one."""

from collections.abc import Callable

from rest_framework.response import Response

from apps.audit.models import LastUse
from apps.base.api import PortalView, serves
from apps.base.conditions import ObjectResponse
from apps.base.parameters import words_parameter
from apps.base.permissions import Permission
from apps.base.requests import ApiRequest
from apps.base.serializers import StrictSerializer
from apps.credentials.filters import chosen_keys
from apps.credentials.models import SecretKeyQuerySet
from apps.credentials.serializers import NothingBody, ReasonBody, RotateBody
from apps.sdk_keys import actions, operations
from apps.sdk_keys.models import Activation, Platform, SdkKey
from apps.sdk_keys.serializers import (
    NewSdkKeyBody,
    SdkKeyChangeBody,
    write_activation,
    write_sdk_key,
)


def rows_of(request: ApiRequest) -> SecretKeyQuerySet[SdkKey]:
    """This will return the caller's organization's SDK keys, oldest first, with what their objects show."""
    return SdkKey.objects.for_actor(request.actor).with_related().order_by("pk")


def answer_with(request: ApiRequest, id: str) -> ObjectResponse:
    """This will answer one key as it is now."""
    key = rows_of(request).with_public_id(id)
    return ObjectResponse(write_sdk_key(key, LastUse.objects.filter(pk=key.pk).first()), key.version)


class SdkKeys(PortalView):
    about = "The organization's SDK keys."

    @serves(operations.LIST_SDK_KEYS, Permission.SDK_KEYS_READ, etag=True)
    def get(self, request: ApiRequest) -> Response:
        """This will list SDK keys, oldest first, in every state."""
        rows, platforms = chosen_keys(request, rows_of(request)), words_parameter(request, "platform", Platform.values)
        rows = rows.filter(platform__in=platforms) if platforms else rows
        response = self.offset_page(request, rows, lambda key: key)
        uses = LastUse.objects.in_bulk([key.pk for key in response.data])
        response.data = [write_sdk_key(key, uses.get(key.pk)) for key in response.data]
        return response

    @serves(operations.CREATE_SDK_KEY, Permission.SDK_KEYS_WRITE, idempotent=True)
    def post(self, request: ApiRequest) -> Response:
        """This will make an SDK key; its text is in this answer and never again."""
        key, text = actions.create_sdk_key(actor=request.actor, **self.validated(request, NewSdkKeyBody))
        return Response(write_sdk_key(key, text=text), status=201)


class OneSdkKey(PortalView):
    about = "One SDK key."

    @serves(operations.GET_SDK_KEY, Permission.SDK_KEYS_READ, etag=True)
    def get(self, request: ApiRequest, id: str) -> Response:
        """This will return one SDK key."""
        return answer_with(request, id)

    @serves(operations.UPDATE_SDK_KEY, Permission.SDK_KEYS_WRITE, if_match=True)
    def patch(self, request: ApiRequest, id: str) -> Response:
        """This will change name, app, origins, limit or days of silence."""
        rows_of(request).with_public_id(id)
        body, expected = self.validated(request, SdkKeyChangeBody), self.expected(request)
        actions.update_sdk_key(actor=request.actor, key_id=id, expected=expected, **body)
        return answer_with(request, id)


class RotateSdkKey(PortalView):
    about = "A successor for an SDK key."

    @serves(operations.ROTATE_SDK_KEY, Permission.SDK_KEYS_WRITE, idempotent=True, if_match=True)
    def post(self, request: ApiRequest, id: str) -> Response:
        """This will make a key with the same settings and activations; its text is in this answer and never again."""
        rows_of(request).with_public_id(id)
        body, expected = self.validated(request, RotateBody), self.expected(request)
        made, text = actions.rotate_sdk_key(actor=request.actor, key_id=id, expected=expected, **body)
        return Response(write_sdk_key(rows_of(request).get(pk=made.pk), text=text), status=201)


class ChangeOfState(PortalView):
    """The base of what brings an SDK key into another state: the object is answered, also where it was so already."""

    body: type[StrictSerializer] = NothingBody

    def change(self, request: ApiRequest, id: str, action: Callable[..., SdkKey]) -> Response:
        """This will call the action with what the body holds and answer the key."""
        rows_of(request).with_public_id(id)
        body, expected = self.validated(request, self.body), self.expected(request)
        action(actor=request.actor, key_id=id, expected=expected, **body)
        return answer_with(request, id)


class RevokeSdkKey(ChangeOfState):
    about = "The end of an SDK key."
    body = ReasonBody

    @serves(operations.REVOKE_SDK_KEY, Permission.SDK_KEYS_WRITE, idempotent=True, if_match=True)
    def post(self, request: ApiRequest, id: str) -> Response:
        """This will revoke an SDK key; again is the same answer and changes nothing."""
        return self.change(request, id, actions.revoke_sdk_key)


class DisableSdkKey(ChangeOfState):
    about = "An SDK key that is switched off for a while."
    body = ReasonBody

    @serves(operations.DISABLE_SDK_KEY, Permission.SDK_KEYS_WRITE, idempotent=True, if_match=True)
    def post(self, request: ApiRequest, id: str) -> Response:
        """This will switch an SDK key off until it is enabled."""
        return self.change(request, id, actions.disable_sdk_key)


class EnableSdkKey(ChangeOfState):
    about = "A disabled SDK key that is switched on again."

    @serves(operations.ENABLE_SDK_KEY, Permission.SDK_KEYS_WRITE, idempotent=True, if_match=True)
    def post(self, request: ApiRequest, id: str) -> Response:
        """This will switch a disabled SDK key on again."""
        return self.change(request, id, actions.enable_sdk_key)


class ReleaseSdkKey(ChangeOfState):
    about = "The end of a quarantine."

    @serves(operations.RELEASE_SDK_KEY, Permission.SDK_KEYS_WRITE, idempotent=True, if_match=True)
    def post(self, request: ApiRequest, id: str) -> Response:
        """This will take an SDK key out of quarantine."""
        return self.change(request, id, actions.release_sdk_key)


class Activations(PortalView):
    about = "The devices of an SDK key."

    @serves(operations.LIST_ACTIVATIONS, Permission.SDK_KEYS_READ, etag=True)
    def get(self, request: ApiRequest, id: str) -> Response:
        """This will list activations, oldest first, also those that were freed within 90 days."""
        key = SdkKey.objects.for_actor(request.actor).with_public_id(id)
        rows = Activation.objects.for_actor(request.actor).filter(pool_id=key.pool_id).order_by("pk")
        return self.offset_page(request, rows, write_activation)


class OneActivation(PortalView):
    about = "One device of an SDK key."

    @serves(operations.FREE_ACTIVATION, (Permission.SDK_KEYS_WRITE, Permission.ACTIVATIONS_WRITE))
    def delete(self, request: ApiRequest, id: str, act: str) -> Response:
        """This will free a place; the device's token ends."""
        actions.free_activation(actor=request.actor, key_id=id, activation_id=act)
        return Response(status=204)

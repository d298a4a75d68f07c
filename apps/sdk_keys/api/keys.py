"""An organization's SDK keys and their devices."""

from rest_framework.response import Response

from apps.base.permissions import Permission
from apps.base.requests import ApiRequest
from apps.base.rest.query_parameters import choice_list_parameter
from apps.base.rest.views import PortalView, serves
from apps.credentials.filters import chosen_keys
from apps.credentials.key_api import KeyResource
from apps.credentials.models import SecretKeyQuerySet
from apps.sdk_keys import actions, operations
from apps.sdk_keys.models import Activation, Platform, SdkKey
from apps.sdk_keys.serializers import (
    write_activation,
    write_sdk_key,
)


def _chosen(request: ApiRequest, rows: SecretKeyQuerySet[SdkKey]) -> SecretKeyQuerySet[SdkKey]:
    rows, platforms = chosen_keys(request, rows), choice_list_parameter(request, "platform", Platform.values)
    return rows.filter(platform__in=platforms) if platforms else rows


KEYS = KeyResource(
    path="sdk-keys",
    noun="an SDK key",
    model=SdkKey,
    chosen=_chosen,
    write=write_sdk_key,
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
        return self.offset_page(request, rows, write_activation)


class OneActivation(PortalView):
    about = "One device of an SDK key."

    @serves(operations.FREE_ACTIVATION, (Permission.SDK_KEYS_WRITE, Permission.ACTIVATIONS_WRITE))
    def delete(self, request: ApiRequest, id: str, act: str) -> Response:
        """Deactivate a device, which invalidates its token."""
        actions.deactivate_activation(actor=request.actor, key_id=id, activation_id=act)
        return Response(status=204)

"""The ``/v1`` operations on keys, for all kinds: list, create, read, update, rotate and state changes.

An app with a kind of key configures them by ``KeyResource`` and mounts the paths in its ``urls.py``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.urls import URLPattern
from rest_framework.response import Response

from apps.audit.calls.usage_counters import last_uses
from apps.base.actor import Actor
from apps.base.permissions import Permission
from apps.base.requests import ApiRequest
from apps.base.rest.etags import ObjectResponse
from apps.base.rest.operations import Operation
from apps.base.rest.serializers import EmptyBody
from apps.base.rest.views import PortalView, api_path, serves
from apps.credentials.key_status import ABOUT_RELEASE
from apps.credentials.models import SecretKey
from apps.credentials.serializers import KeySerializer

# The descriptions of the state paths in the browsable API.
STATE_DESCRIPTIONS = {
    "revoke": "The end of {a_key}.",
    "disable": "{A_key} that is switched off for a while.",
    "enable": "A disabled {key} that is switched on again.",
    "release": ABOUT_RELEASE,
}


@dataclass(frozen=True, slots=True)
class KeyResource:
    """The configuration of one kind of key in the API.

    ``path``: the list's path below ``/v1``; its singular names one key's route. ``noun``: the name of a key in texts,
    with its article. ``apply_filters`` applies the list's filters. ``serializer`` writes a key, ``new_serializer`` one
    with the secret of ``context["secret"]``. ``actions`` and ``operations`` are keyed by the last words of the paths,
    or ``list``, ``create``, ``get`` and ``update``.
    """

    path: str
    noun: str
    model: type[SecretKey]
    apply_filters: Callable[[ApiRequest, Any], Any]
    serializer: type[KeySerializer]
    new_serializer: type[KeySerializer]
    actions: Mapping[str, Callable[..., Any]]
    operations: Mapping[str, Operation]

    @property
    def bare_noun(self) -> str:
        """The noun without its article."""
        return self.noun.partition(" ")[2]

    def rows(self, actor: Actor) -> Any:
        """Return the keys of the actor's organization with their related objects, oldest first."""
        return self.model.objects.for_actor(actor).with_related().order_by("pk")

    def detail_response(self, request: ApiRequest, id: str) -> ObjectResponse:
        """Return the response with a key's current state."""
        key = self.rows(request.actor).with_public_id(id)
        return ObjectResponse(self.serializer.write(key, last_uses=last_uses([key.pk])), key.version)

    def create(self, view: PortalView, request: ApiRequest) -> Any:
        """Create a key from the body and return it with the key in plain text."""
        body = view.validated(request, self.operations["create"].body or EmptyBody)
        return self.actions["create"](actor=request.actor, **body)

    def change(self, view: PortalView, request: ApiRequest, id: str, operation: str) -> Any:
        """Call the action ``operation`` on a key with the body's values; NotFound before the body is validated."""
        self.rows(request.actor).with_public_id(id)
        body = view.validated(request, self.operations[operation].body or EmptyBody)
        return self.actions[operation](actor=request.actor, key_id=id, expected=view.expected(request), **body)


def key_paths(keys: KeyResource, read: Permission, write: Permission) -> list[URLPattern]:
    """Return the paths of a kind of key; ``read`` and ``write``: the required permissions."""
    one_key, name = f"{keys.path}/{{id}}", keys.path.removesuffix("s")
    return [
        api_path(keys.path, _list_view(keys, read, write), keys.path),
        api_path(one_key, _detail_view(keys, read, write), name),
        api_path(f"{one_key}/rotate", _rotate_view(keys, write), f"{name}-rotate"),
        *(
            api_path(f"{one_key}/{operation}", _state_view(keys, operation, write), f"{name}-{operation}")
            for operation in STATE_DESCRIPTIONS
        ),
    ]


def _list_view(keys: KeyResource, read: Permission, write: Permission) -> type[PortalView]:
    class Keys(PortalView):
        about = f"The organization's {keys.bare_noun}s."

        @serves(keys.operations["list"], read, etag=True)
        def get(self, request: ApiRequest) -> Response:
            response = self.offset_page(request, keys.apply_filters(request, keys.rows(request.actor)), lambda key: key)
            uses = last_uses([key.pk for key in response.data])
            response.data = keys.serializer.write_all(response.data, last_uses=uses)
            return response

        @serves(keys.operations["create"], write, idempotent=True)
        def post(self, request: ApiRequest) -> Response:
            key, plaintext = keys.create(self, request)
            return Response(keys.new_serializer.write(key, secret=plaintext), status=201)

    return Keys


def _detail_view(keys: KeyResource, read: Permission, write: Permission) -> type[PortalView]:
    class OneKey(PortalView):
        about = f"One {keys.bare_noun}."

        @serves(keys.operations["get"], read, etag=True)
        def get(self, request: ApiRequest, id: str) -> Response:
            return keys.detail_response(request, id)

        @serves(keys.operations["update"], write, if_match=True)
        def patch(self, request: ApiRequest, id: str) -> Response:
            keys.change(self, request, id, "update")
            return keys.detail_response(request, id)

    return OneKey


def _rotate_view(keys: KeyResource, write: Permission) -> type[PortalView]:
    class Successor(PortalView):
        about = f"A successor for {keys.noun}."

        @serves(keys.operations["rotate"], write, idempotent=True, if_match=True)
        def post(self, request: ApiRequest, id: str) -> Response:
            made, plaintext = keys.change(self, request, id, "rotate")
            key = keys.rows(request.actor).get(pk=made.pk)
            return Response(keys.new_serializer.write(key, secret=plaintext), status=201)

    return Successor


def _state_view(keys: KeyResource, operation: str, write: Permission) -> type[PortalView]:
    a_key = keys.noun

    class State(PortalView):
        about = STATE_DESCRIPTIONS[operation].format(
            key=keys.bare_noun, a_key=a_key, A_key=a_key[:1].upper() + a_key[1:]
        )

        @serves(keys.operations[operation], write, idempotent=True, if_match=True)
        def post(self, request: ApiRequest, id: str) -> Response:
            # The response is the same where the key was in that state already.
            keys.change(self, request, id, operation)
            return keys.detail_response(request, id)

    return State

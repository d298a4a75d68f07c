"""``/v1/me``, ``/v1/api-keys`` and ``/v1/usage``."""

from typing import Any, cast
from uuid import UUID

from django.utils import timezone
from rest_framework.response import Response

from apps.api_keys import actions
from apps.api_keys.filters import usage_span
from apps.api_keys.models import ApiKey
from apps.api_keys.serializers import NewKeyBody, ReasonBody, write_key
from apps.api_keys.usage_figures import write_usage, write_usage_of_organization
from apps.audit.figures import of_key, of_organization
from apps.audit.models import LastUse
from apps.base.api import ANY_KEY, PortalView
from apps.base.instants import instant
from apps.base.permissions import Permission
from apps.base.requests import ApiRequest
from apps.credentials.gate import KeyRow
from apps.credentials.limits import WindowState
from apps.credentials.models import SecretKeyQuerySet
from apps.credentials.moments import moment


def rows_of(request: ApiRequest) -> SecretKeyQuerySet[ApiKey]:
    """This will return the caller's organization's keys, oldest first, with what their objects show."""
    keys = ApiKey.objects.for_actor(request.actor)
    return keys.select_related("key_type", "replaces", "replaced_by").order_by("pk")


def write_limits(states: tuple[WindowState, ...]) -> list[dict[str, Any]]:
    """This will return what is left of each window."""
    return [
        {
            "name": state.window.name,
            "limit": state.window.limit,
            "remaining": state.remaining,
            "reset_seconds": state.reset_seconds,
        }
        for state in states
    ]


def write_me(row: KeyRow) -> dict[str, Any]:
    """This will return the key as ``/v1/me`` and verify show it."""
    return {
        "id": row.public_id,
        "name": row.name,
        "type": row.key_type,
        "mask": row.mask,
        "scopes": list(row.scopes),
        "subject": row.subject or None,
        "created_at": instant(moment(row.created_at)),
        "expires_at": instant(moment(row.expires_at)),
    }


def write_organization(row: KeyRow) -> dict[str, str]:
    """This will return the organization that a key belongs to."""
    return {"id": row.organization_public_id, "name": row.organization_name, "slug": row.organization_slug}


class Me(PortalView):
    """Who am I: the key, its organization, and what is left of its limits."""

    requires = {"GET": ANY_KEY}
    callers = ("api_key",)

    def get(self, request: ApiRequest) -> Response:
        """This will describe the calling key."""
        row: KeyRow = request._request.caller.credential
        states = request._request.limit_states
        return Response({"organization": write_organization(row), "key": write_me(row), "limits": write_limits(states)})


class ApiKeys(PortalView):
    """The organization's keys."""

    requires = {"GET": Permission.API_KEYS_READ, "POST": Permission.API_KEYS_WRITE}

    def get(self, request: ApiRequest) -> Response:
        """This will list keys, oldest first, in every state."""
        response = self.offset_page(request, rows_of(request), lambda key: key)
        uses = LastUse.objects.in_bulk([key.pk for key in response.data])
        response.data = [write_key(key, uses.get(key.pk)) for key in response.data]
        return response

    def post(self, request: ApiRequest) -> Response:
        """This will make a key; its text is in this answer and never again."""
        key, text = actions.create_key(actor=request.actor, **self.validated(request, NewKeyBody))
        return Response(write_key(key, text=text), status=201)


class OneApiKey(PortalView):
    """One key."""

    requires = {"GET": Permission.API_KEYS_READ}

    def get(self, request: ApiRequest, id: str) -> Response:
        """This will return one key."""
        key = rows_of(request).with_public_id(id)
        return Response(write_key(key, LastUse.objects.filter(pk=key.pk).first()))


class RevokeApiKey(PortalView):
    """The end of a key."""

    requires = {"POST": Permission.API_KEYS_WRITE}

    def post(self, request: ApiRequest, id: str) -> Response:
        """This will revoke a key; again is the same answer and changes nothing."""
        key = rows_of(request).with_public_id(id)
        body = self.validated(request, ReasonBody)
        actions.revoke_key(actor=request.actor, key_id=id, reason=body.get("reason", ""))
        key = rows_of(request).with_public_id(id)
        return Response(write_key(key, LastUse.objects.filter(pk=key.pk).first()))


class KeyUsage(PortalView):
    """What a key was used for."""

    requires = {"GET": (Permission.API_KEYS_READ, Permission.USAGE_READ)}

    def get(self, request: ApiRequest, id: str) -> Response:
        """This will return the figures of one key."""
        key = ApiKey.objects.for_actor(request.actor).with_public_id(id)
        span = usage_span(request, timezone.now())
        figures = of_key(key.organization_id, key.pk, span)
        return Response(write_usage(figures, LastUse.objects.filter(pk=key.pk).first()))


class Usage(PortalView):
    """What the organization's keys, and its members in the browsable API, called."""

    requires = {"GET": Permission.USAGE_READ}

    def get(self, request: ApiRequest) -> Response:
        """This will return the figures of the organization."""
        span = usage_span(request, timezone.now())
        figures = of_organization(cast(UUID, request.actor.organization_id), span)
        return Response(write_usage_of_organization(request.actor, figures))

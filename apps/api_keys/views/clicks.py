"""Buttons of a key's page that change it at once, each with a token of its own."""

from typing import Any

from django.urls import reverse

from apps.api_keys.models import ApiKey
from apps.base.forms import form_token
from apps.base.permissions import Permission
from apps.base.requests import PortalRequest

ROUTES = {"enable": "api_key_enable", "release": "api_key_release"}


def clicks(request: PortalRequest, key: ApiKey) -> dict[str, dict[str, Any]]:
    """This will return the path and token of each button that the key's state and the reader's rights allow."""
    wanted = {"enable": key.disabled_at, "release": key.quarantined_at}
    if key.has_ended or not request.actor.can(Permission.API_KEYS_WRITE):
        return {}
    paths = {
        name: reverse(ROUTES[name], args=[request.organization.slug, key.public_id])
        for name, since in wanted.items()
        if since is not None
    }
    return {name: {"path": path, "token": form_token(request, path)} for name, path in paths.items()}

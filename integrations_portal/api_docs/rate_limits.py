"""The page about rate limits, with the current state of the reader's own keys, which it does not consume."""

from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from apps.api_keys.key_query import effective_limit, windows
from apps.api_keys.models import ApiKey, KeyType
from apps.api_keys.view_models.type_cards import KeyTypeOptions
from apps.base.permissions import Permission
from apps.credentials.gate import rate_limits as limits
from apps.credentials.gate.rate_limits import Window, WindowState
from integrations_portal.api_docs.reader import Reader, page, reader_of

MAX_KEYS = 20
RETRY_EXAMPLE = """\
import time

import requests


def call(session, method, url, **options):
    for _ in range(5):
        answer = session.request(method, url, timeout=30, **options)
        if answer.status_code != 429:
            break
        time.sleep(int(answer.headers["Retry-After"]))
    return answer
"""


def rate_limits(request: HttpRequest) -> HttpResponse:
    """Explain rate limits, their headers and how to wait."""
    reader = reader_of(request)
    keys = _keys(reader)
    context = {
        "types": _types(reader),
        "ceiling": reader.organization.ceiling_per_minute if reader.organization else None,
        "keys": keys[:MAX_KEYS],
        "has_more": len(keys) > MAX_KEYS,
        "is_counted_here_only": not settings.REDIS_URL,
        "headers": example_headers(),
        "waiting": RETRY_EXAMPLE,
    }
    return page(request, "docs_limits", context, reader)


def example_headers() -> str:
    """Return the rate-limit headers of a first request with the portal's default limits."""
    found = windows("", UUID(int=0), (None, None), (None, None), None)
    states = [WindowState(window, window.limit - 1, float(window.seconds)) for window in found]
    return "\n".join(f"{name}: {value}" for name, value in limits.headers(states).items())


def _types(reader: Reader) -> list[dict[str, Any]]:
    """Return the key types of the reader's organization, or of any customer for anonymous readers."""
    key_types = KeyTypeOptions.for_actor(reader.actor).types if reader.actor else KeyType.objects.for_customers()
    return [
        {
            "title": kind.title_text,
            "minute": effective_limit("minute", None, kind.limit_minute),
            "hour": effective_limit("hour", None, kind.limit_hour),
        }
        for kind in key_types
    ]


def _keys(reader: Reader) -> list[dict[str, Any]]:
    if reader.actor is None or not reader.actor.can(Permission.API_KEYS_READ):
        return []
    rows = ApiKey.objects.for_actor(reader.actor).live().select_related("key_type", "organization")
    found = [(key, _windows(key)) for key in rows.order_by("-pk")[: MAX_KEYS + 1]]
    states = iter(limits.peek([window for _key, each in found for window in each]))
    return [
        {
            "name": key.name,
            "url": reader.to("api_key", key.public_id),
            "mask": key.mask,
            "windows": [_state(next(states)) for _window in each],
        }
        for key, each in found
    ]


def _windows(key: ApiKey) -> tuple[Window, ...]:
    kind, ceiling = key.key_type, key.organization.ceiling_per_minute
    minute, hour = (key.limit_minute, kind.limit_minute), (key.limit_hour, kind.limit_hour)
    return windows(key.budget_id.hex, key.organization_id, minute, hour, ceiling)


def _state(state: WindowState) -> dict[str, Any]:
    limit = state.window.limit
    return {
        "name": state.window.name,
        "limit": limit,
        "remaining": state.remaining,
        "reset": state.reset_seconds if state.remaining < limit else None,
        "is_low": state.remaining * 5 <= limit,
    }

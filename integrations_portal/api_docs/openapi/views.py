"""``/openapi.json``, and Swagger UI on a page of the portal."""

from functools import cache
from hashlib import sha256
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.cache import get_conditional_response
from django.views.decorators.http import require_safe

from apps.base.rest.renderers import to_json
from apps.webhooks.models import EventType
from integrations_portal.api_docs.openapi.document import document
from integrations_portal.api_docs.openapi.webhooks import webhooks
from integrations_portal.api_docs.reader import page


@cache
def _fixed(routes: tuple[Any, ...], public_url: str) -> dict[str, Any]:
    """Everything but the webhooks: the same until the process ends."""
    return document(routes, ())


@require_safe
def openapi(request: HttpRequest, routes: tuple[Any, ...]) -> HttpResponse:
    """The document, with the event types as they are now; to be asked for again with its ETag (RFC 9110, 13.1.2)."""
    kinds = webhooks(EventType.objects.all())
    body = to_json({**_fixed(routes, settings.PUBLIC_URL), "webhooks": kinds})
    # What it is may be known to everybody: tools on other origins may read it, without anybody's cookies.
    headers = {"Access-Control-Allow-Origin": "*", "Cache-Control": "public, no-cache"}
    answer = HttpResponse(body, content_type="application/json", headers=headers)
    tag = f'"{sha256(body.encode()).hexdigest()[:32]}"'
    answer["ETag"] = tag
    return get_conditional_response(request, etag=tag, response=answer) or answer


@require_safe
def swagger(request: HttpRequest) -> HttpResponse:
    """The document in Swagger UI, from files of our own server; without JavaScript a link to the plain reference."""
    return page(request, "swagger", {"wide": True})

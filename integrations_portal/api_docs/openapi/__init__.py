"""The OpenAPI 3.1 document of the public API (https://spec.openapis.org/oas/v3.1.1), generated from the routes.

Every view declares its ``operations``; the common checks and their errors are the same for all. Why schemas are not
inferred from serializers: docs/adr/0012.
"""

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
def _document_without_webhooks(routes: tuple[Any, ...], public_url: str) -> dict[str, Any]:
    """Return the document without webhooks, which does not change while the process runs."""
    return document(routes, ())


@require_safe
def openapi(request: HttpRequest, routes: tuple[Any, ...]) -> HttpResponse:
    """Return the document with the current event types; supports If-None-Match (RFC 9110, 13.1.2)."""
    webhook_entries = webhooks(EventType.objects.all())
    body = to_json({**_document_without_webhooks(routes, settings.PUBLIC_URL), "webhooks": webhook_entries})
    # The document is public: tools on other origins can read it, without cookies.
    headers = {"Access-Control-Allow-Origin": "*", "Cache-Control": "public, no-cache"}
    response = HttpResponse(body, content_type="application/json", headers=headers)
    tag = f'"{sha256(body.encode()).hexdigest()[:32]}"'
    response["ETag"] = tag
    return get_conditional_response(request, etag=tag, response=response) or response


@require_safe
def swagger(request: HttpRequest) -> HttpResponse:
    """Show the document in Swagger UI, served locally; without JavaScript a link to the reference."""
    return page(request, "swagger", {"wide": True})

"""The OpenAPI 3.1 document of the public API (https://spec.openapis.org/oas/v3.1.1), generated from the routes.

Every view declares its ``operations``; the common checks and their errors are the same for all. Why schemas are not
inferred from serializers: docs/adr/0012.
"""

from functools import cache
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from apps.base.rest.renderers import to_json
from apps.webhooks.models import EventType
from integrations_portal.api_docs.openapi.document import document
from integrations_portal.api_docs.openapi.webhooks import webhooks
from integrations_portal.api_docs.public_files import public_file
from integrations_portal.api_docs.reader import page


@cache
def document_without_webhooks(routes: tuple[Any, ...], public_url: str) -> dict[str, Any]:
    """Return the document without webhooks, which does not change while the process runs."""
    return document(routes, ())


@require_safe
def openapi(request: HttpRequest, routes: tuple[Any, ...]) -> HttpResponse:
    """Return the document with the current event types."""
    webhook_entries = webhooks(EventType.objects.all())
    body = to_json({**document_without_webhooks(routes, settings.PUBLIC_URL), "webhooks": webhook_entries})
    return public_file(request, body.encode(), "application/json")


@require_safe
def swagger(request: HttpRequest) -> HttpResponse:
    """Show the document in Swagger UI, served locally; without JavaScript a link to the reference."""
    return page(request, "swagger", {"wide": True})

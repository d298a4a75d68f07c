"""Collections of the API's requests for Postman and Bruno, generated from the OpenAPI document.

They have the operations and no webhooks: those are requests that the reader receives. So a collection does not change
while the process runs.
"""

from functools import cache
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.text import slugify
from django.views.decorators.http import require_safe

from integrations_portal.api_docs.collections.bruno import bruno_archive
from integrations_portal.api_docs.collections.postman import postman_collection
from integrations_portal.api_docs.openapi import document_without_webhooks
from integrations_portal.api_docs.public_files import public_file


@require_safe
def postman(request: HttpRequest, routes: tuple[Any, ...]) -> HttpResponse:
    """Return the Postman collection."""
    name, body = _postman_file(routes, settings.PUBLIC_URL)
    return public_file(request, body, "application/json", name)


@require_safe
def bruno(request: HttpRequest, routes: tuple[Any, ...]) -> HttpResponse:
    """Return the Bruno collection as a zip archive."""
    name, body = _bruno_file(routes, settings.PUBLIC_URL)
    return public_file(request, body, "application/zip", name)


@cache
def _postman_file(routes: tuple[Any, ...], public_url: str) -> tuple[str, bytes]:
    document = document_without_webhooks(routes, public_url)
    return f"{_slug(document)}.postman_collection.json", postman_collection(document).encode()


@cache
def _bruno_file(routes: tuple[Any, ...], public_url: str) -> tuple[str, bytes]:
    document = document_without_webhooks(routes, public_url)
    return f"{_slug(document)}.bruno.zip", bruno_archive(document)


def _slug(document: dict[str, Any]) -> str:
    return str(slugify(document["info"]["title"]))

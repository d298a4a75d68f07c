"""Responses that show a secret once, or ask to retry."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


def busy_response(response: HttpResponse) -> HttpResponse:
    """Turn a form's page into a 429 that asks to retry after a second."""
    response.status_code = 429
    response["Retry-After"] = "1"
    return response


def one_time_secret_response(request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
    """Render a secret in the response to the POST itself, kept out of caches, history and search indexes."""
    response = render(request, template, context)
    response["Cache-Control"] = "no-store, private"
    response["Pragma"] = "no-cache"
    # Not "no-referrer": browsers then post the page's own forms with "Origin: null", which is refused (ADR 11).
    response["Referrer-Policy"] = "same-origin"
    response["X-Robots-Tag"] = "noindex, nofollow"
    return response

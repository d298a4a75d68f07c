"""Answers of pages that hold a secret, or that come too soon."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


def busy_response(answer: HttpResponse) -> HttpResponse:
    """Mark the page of a form that is to be sent again in a second."""
    answer.status_code = 429
    answer["Retry-After"] = "1"
    return answer


def one_time_secret_response(request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
    """Render a secret in the POST's own answer: kept by nobody on the way, in no history, in no index."""
    response = render(request, template, context)
    response["Cache-Control"] = "no-store, private"
    response["Pragma"] = "no-cache"
    # Not "no-referrer": browsers then post the page's own forms with "Origin: null", which is refused (ADR 11).
    response["Referrer-Policy"] = "same-origin"
    response["X-Robots-Tag"] = "noindex, nofollow"
    return response

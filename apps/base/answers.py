"""Answers of pages that hold a secret."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


def reveal(request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
    """This will render a secret in the POST's own answer: kept by nobody on the way, in no history, in no index."""
    response = render(request, template, context)
    response["Cache-Control"] = "no-store, private"
    response["Pragma"] = "no-cache"
    response["Referrer-Policy"] = "no-referrer"
    response["X-Robots-Tag"] = "noindex, nofollow"
    return response

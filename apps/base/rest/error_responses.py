"""Errors as the API answers them: whatever was raised becomes the one shape, with nothing in it that is a secret."""

import logging
from typing import Any

from django.conf import settings
from django.core.exceptions import BadRequest, RequestDataTooBig, SuspiciousOperation
from django.db import OperationalError
from django.http import Http404, JsonResponse
from django.http.multipartparser import MultiPartParserError
from django.utils import translation
from rest_framework import exceptions
from rest_framework.response import Response

from apps.base.errors import Invalid, NotFound, PortalError
from apps.base.rest.serializers import from_validation
from apps.base.telemetry.logging import hide_keys

logger = logging.getLogger(__name__)

# After so many seconds a database that was away is asked again.
DATABASE_AWAY_SECONDS = 30


def error_body(error: PortalError, request_id: str) -> dict[str, Any]:
    """Return the one error shape of the API. A key typed into the wrong field is not repeated."""
    body: dict[str, Any] = {
        "error": hide_keys(str(error.message)),
        "code": error.code,
        "request_id": request_id,
        "docs": f"{settings.PUBLIC_URL}/docs/errors#{error.code}",
    }
    if error.fields:
        body["fields"] = shown_fields(error)
    return body


def json_error_response(error: PortalError, request_id: str) -> JsonResponse:
    """Return an error as JSON where no view of the API answers, in English as all of the API."""
    with translation.override("en"):
        body = error_body(error, request_id)
    return JsonResponse(body, status=error.status, headers=error.headers)


def shown_fields(error: PortalError) -> dict[str, list[str]]:
    """Return the fields to blame, each with its sentences."""
    named = (error.fields or {}).items()
    return {hide_keys(name): [hide_keys(str(text)) for text in texts] for name, texts in named}


def to_portal_error(error: Exception) -> PortalError:
    """Translate what Django and DRF raise; the unexpected becomes a 500 without any detail."""
    if isinstance(error, PortalError):
        return error
    if isinstance(error, exceptions.ValidationError):
        return from_validation(error.detail)
    if isinstance(error, RequestDataTooBig):
        return PortalError("The body is larger than 1 MiB.", "payload_too_large")
    if isinstance(error, (BadRequest, SuspiciousOperation, MultiPartParserError)):
        return Invalid("The form could not be read.")
    if isinstance(error, exceptions.ParseError):
        return Invalid(str(error.detail))
    if isinstance(error, exceptions.UnsupportedMediaType):
        return PortalError("Send the body as application/json.", "unsupported_media_type")
    if isinstance(error, exceptions.NotAcceptable):
        return PortalError("This API answers application/json; change the Accept header.", "not_acceptable")
    if isinstance(error, (exceptions.NotFound, Http404)):
        return NotFound()
    if isinstance(error, OperationalError):
        logger.error("database unavailable", exc_info=error)
        message, headers = (
            "The service is unavailable for a moment. Try again.",
            {"Retry-After": str(DATABASE_AWAY_SECONDS)},
        )
        return PortalError(message, "unavailable", headers=headers)
    logger.error("unhandled error on the API", exc_info=error)
    return PortalError("Something went wrong on our side.", "internal_error")


def exception_response(error: Exception, context: dict[str, Any]) -> Response:
    """Answer any exception of a view in the one error shape (DRF's EXCEPTION_HANDLER)."""
    request = context["request"]
    problem = to_portal_error(error)
    headers = dict(problem.headers)
    if problem.status == 405:
        headers["Allow"] = ", ".join(context["view"].allowed_methods)
    return Response(error_body(problem, request._request.request_id), status=problem.status, headers=headers)

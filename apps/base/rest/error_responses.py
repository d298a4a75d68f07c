"""Turn any exception into the API's error response, without secrets."""

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
from apps.base.rest.serializers import invalid_from_detail
from apps.base.text.redaction import hide_keys

logger = logging.getLogger(__name__)

# For Retry-After.
DATABASE_RETRY_SECONDS = 30


def error_body(error: PortalError, request_id: str) -> dict[str, Any]:
    """Return the body of an error response. A key sent in the wrong field is not repeated."""
    body: dict[str, Any] = {
        "error": hide_keys(str(error.message)),
        "code": error.code,
        "request_id": request_id,
        "docs": f"{settings.PUBLIC_URL}/docs/errors#{error.code}",
    }
    if error.fields:
        body["fields"] = redacted_fields(error)
    return body


def json_error_response(error: PortalError, request_id: str) -> JsonResponse:
    """Return an error as JSON outside the API's views, in English as all of the API."""
    with translation.override("en"):
        body = error_body(error, request_id)
    return JsonResponse(body, status=error.status, headers=error.headers)


def redacted_fields(error: PortalError) -> dict[str, list[str]]:
    """Return the messages of each invalid field, without keys."""
    named = (error.fields or {}).items()
    return {hide_keys(name): [hide_keys(str(text)) for text in texts] for name, texts in named}


def to_portal_error(error: Exception) -> PortalError:
    """Convert exceptions of Django and DRF; log unexpected ones, which become a 500 without details."""
    if isinstance(error, PortalError):
        return error
    if isinstance(error, exceptions.ValidationError):
        return invalid_from_detail(error.detail)
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
            {"Retry-After": str(DATABASE_RETRY_SECONDS)},
        )
        return PortalError(message, "unavailable", headers=headers)
    logger.error("unhandled error on the API", exc_info=error)
    return PortalError("Something went wrong on our side.", "internal_error")


def exception_response(error: Exception, context: dict[str, Any]) -> Response:
    """Return the response to any exception of a view (DRF's EXCEPTION_HANDLER)."""
    request = context["request"]
    problem = to_portal_error(error)
    headers = dict(problem.headers)
    if problem.status == 405:
        headers["Allow"] = ", ".join(context["view"].allowed_methods)
    return Response(error_body(problem, request._request.request_id), status=problem.status, headers=headers)

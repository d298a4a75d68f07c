"""Checks of API requests other than the credential: HTTPS, and the CSRF token of a session's change."""

from django.conf import settings
from django.core.exceptions import BadRequest, SuspiciousOperation
from django.http.multipartparser import MultiPartParserError
from rest_framework.authentication import CSRFCheck

from apps.base.errors import Forbidden, PortalError
from apps.base.requests import PortalRequest
from apps.base.rest.error_responses import to_portal_error


def https_refusal(request: PortalRequest) -> Forbidden | None:
    """Return the error of plain HTTP where the portal is served over HTTPS."""
    if not settings.HTTPS or request.is_secure():
        return None
    return Forbidden("Use https. A key that was sent over plain http should be rotated.", "https_required")


def csrf_refusal(request: PortalRequest) -> PortalError | None:
    """Return the error of a session's change without a valid CSRF token; requests with a key need none.

    Reads the form for the token, so it also returns the error of a form that is too large or malformed.
    """
    # As DRF's SessionAuthentication does; the stubs require a view.
    check = CSRFCheck(lambda _request: None)  # type: ignore[arg-type]  # it is never called
    check.process_request(request)
    try:
        if check.process_view(request, None, (), {}) is None:  # type: ignore[arg-type]  # the view is not used
            return None
    except (BadRequest, MultiPartParserError, SuspiciousOperation) as error:
        return to_portal_error(error)
    return Forbidden("The CSRF token is missing or wrong. Reload the page and send the form again.")

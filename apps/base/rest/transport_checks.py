"""What the API's door refuses whatever the credential says: plain http, and a session's change without its token."""

from django.conf import settings
from django.core.exceptions import BadRequest, SuspiciousOperation
from django.http.multipartparser import MultiPartParserError
from rest_framework.authentication import CSRFCheck

from apps.base.errors import Forbidden, PortalError
from apps.base.requests import PortalRequest
from apps.base.rest.error_responses import to_portal_error


def https_refusal(request: PortalRequest) -> Forbidden | None:
    """Refuse plain http where the portal is served over https."""
    if not settings.HTTPS or request.is_secure():
        return None
    return Forbidden("Use https. A key that was sent over plain http should be rotated.", "https_required")


def csrf_refusal(request: PortalRequest) -> PortalError | None:
    """Check the CSRF token of a session's change: keys need none, cookies travel by themselves.

    To look for it the form is read: one that is too large or no form at all is refused here, to somebody who is known.
    """
    # Called as DRF's own SessionAuthentication calls it; the stubs want a view and its answer.
    check = CSRFCheck(lambda _request: None)  # type: ignore[arg-type]  # it is never called
    check.process_request(request)
    try:
        if check.process_view(request, None, (), {}) is None:  # type: ignore[arg-type]  # the view is not looked at
            return None
    except (BadRequest, MultiPartParserError, SuspiciousOperation) as error:
        return to_portal_error(error)
    return Forbidden("The CSRF token is missing or wrong. Reload the page and send the form again.")

"""Views of unknown paths under ``/v1``, and of ``/v1`` itself: the root of the browsable API to members, else 404."""

from typing import Any, NoReturn

from rest_framework.response import Response

from apps.base.errors import NotFound
from apps.base.requests import ApiRequest
from apps.base.rest.browsable.form_requests import READS
from apps.base.rest.renderers import JSON_ONLY
from apps.base.rest.request_identity import AuthResult, authenticate_request
from apps.base.rest.views import PortalView


class UnknownPath(PortalView):
    about = "Everything under ``/v1`` that is no path: 404 for strangers at once, for a valid key after its limits."

    def initial(self, request: ApiRequest, *args: Any, **kwargs: Any) -> None:  # type: ignore[override]  # as in PortalView
        """Raise 404 before any other check, but an API key's error first."""
        self.refuse(self.authenticate(request))

    def authenticate(self, request: ApiRequest) -> AuthResult:
        """Authenticate the request and choose the renderer."""
        request.accepted_renderer, request.accepted_media_type = JSON_ONLY, JSON_ONLY.media_type
        auth = authenticate_request(request._request)
        request._request.auth_result = auth
        request._request.actor = auth.actor  # type: ignore[assignment]  # None without authentication
        if auth.is_browser_session:
            request.accepted_renderer, request.accepted_media_type = self.perform_content_negotiation(request)
        return auth

    def refuse(self, auth: AuthResult) -> NoReturn:
        """Raise the error of the key, if there is one, else NotFound."""
        if auth.refusal is not None and auth.credential is not None:
            raise auth.refusal
        raise NotFound("There is no such path.")


class Root(UnknownPath):
    about = "Everything that the API has, with what the reader's role may do."
    is_root = True

    def initial(self, request: ApiRequest, *args: Any, **kwargs: Any) -> None:  # type: ignore[override]  # as in PortalView
        """Let members read in a browser; raise 404 for all others."""
        auth = self.authenticate(request)
        if not auth.is_browser_session or request.method not in READS:
            self.refuse(auth)
        if auth.refusal is not None:
            raise auth.refusal

    def http_method_not_allowed(self, request: ApiRequest, *args: Any, **kwargs: Any) -> Response:  # type: ignore[override]  # as in PortalView
        """Return a response without data: the page has it all."""
        return Response(None)

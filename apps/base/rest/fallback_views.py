"""What is no path of the API, and ``/v1`` itself: to somebody signed in the list of everything, else no path either."""

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
        """Answer 404 whatever else is wrong with a stranger's request."""
        self.refuse(self.meet(request))

    def meet(self, request: ApiRequest) -> AuthResult:
        """Find out who calls, and how to answer."""
        request.accepted_renderer, request.accepted_media_type = JSON_ONLY, JSON_ONLY.media_type
        caller = authenticate_request(request._request)
        request._request.caller = caller
        request._request.actor = caller.actor  # type: ignore[assignment]  # None for strangers
        if caller.is_browser_session:
            request.accepted_renderer, request.accepted_media_type = self.perform_content_negotiation(request)
        return caller

    def refuse(self, caller: AuthResult) -> NoReturn:
        """Say that there is no such path, to a key of the API once its own state was looked at."""
        if caller.refusal is not None and caller.credential is not None:
            raise caller.refusal
        raise NotFound("There is no such path.")


class Root(UnknownPath):
    about = "Everything that the API has, with what the reader's role may do."
    is_root = True

    def initial(self, request: ApiRequest, *args: Any, **kwargs: Any) -> None:  # type: ignore[override]  # as in PortalView
        """Let a member read in a browser, and answer everybody else as any unknown path does."""
        caller = self.meet(request)
        if not caller.is_browser_session or request.method not in READS:
            self.refuse(caller)
        if caller.refusal is not None:
            raise caller.refusal

    def http_method_not_allowed(self, request: ApiRequest, *args: Any, **kwargs: Any) -> Response:  # type: ignore[override]  # as in PortalView
        """Answer the reader: nothing as data, for the page is all there is."""
        return Response(None)

"""``/v1`` itself: for somebody signed in the list of everything, for everybody else no path."""

from typing import Any, ClassVar

from rest_framework.response import Response

from apps.base.api import UnknownPath
from apps.base.browsing.reading import READS
from apps.base.requests import ApiRequest


class Root(UnknownPath):
    """Everything that the API has, with what the reader's role may do."""

    is_root = True
    requires: ClassVar[dict[str, Any]] = {}

    def initial(self, request: ApiRequest, *args: Any, **kwargs: Any) -> None:  # type: ignore[override]
        """This will let a member read in a browser, and answer everybody else as any unknown path does."""
        caller = self.meet(request)
        if not caller.browses or request.method not in READS:
            self.refuse(caller)
        if caller.refusal is not None:
            raise caller.refusal

    def http_method_not_allowed(self, request: ApiRequest, *args: Any, **kwargs: Any) -> Response:  # type: ignore[override]
        """This will answer the reader: nothing as data, for the page is all there is."""
        return Response(None)

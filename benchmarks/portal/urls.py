"""The portal's routes and ``/v1/trivial``, with the body of the rivals' view and the checks of all other routes."""

from django.urls import include, path
from rest_framework.response import Response

from apps.base.permissions import Permission
from apps.base.requests import ApiRequest
from apps.base.rest.api_fast_path import ApiRoutes
from apps.base.rest.operations import Operation, ResponseSpec
from apps.base.rest.views import PortalView, api_path, serves
from integrations_portal import urls as portal

TRIVIAL = {"status": "ok", "count": 20}
READ_TRIVIAL = Operation("readTrivial", "Answer.", {200: ResponseSpec("The same body each time.")})


class Trivial(PortalView):
    about = "Needs a scope, like any other route."

    @serves(READ_TRIVIAL, Permission.USERS_READ, etag=True)
    def get(self, request: ApiRequest) -> Response:
        return Response(TRIVIAL)


api = [api_path("trivial", Trivial, "trivial"), *portal.api]
api_routes = ApiRoutes(api, portal.unknown)
urlpatterns = [path("v1/", include(api)), *portal.urlpatterns[1:]]
handler400, handler403 = portal.handler400, portal.handler403
handler404, handler500 = portal.handler404, portal.handler500

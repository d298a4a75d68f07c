"""``/v1/webhook-endpoints/{id}/replay`` and ``/v1/replays``."""

from rest_framework.response import Response

from apps.base.models import OrgQuerySet
from apps.base.permissions import Permission
from apps.base.requests import ApiRequest
from apps.base.rest.etags import ObjectResponse
from apps.base.rest.serializers import EmptyBody
from apps.base.rest.views import PortalView, serves
from apps.webhooks import actions
from apps.webhooks.api import operations
from apps.webhooks.api.replay_serializers import ReplaySerializer, ReplayWebhookEndpointBody
from apps.webhooks.models import Endpoint, ReplayJob


class ReplayEndpoint(PortalView):
    about = "Old events once more."

    @serves(operations.REPLAY_ENDPOINT, Permission.WEBHOOKS_WRITE, idempotent=True)
    def post(self, request: ApiRequest, id: str) -> Response:
        Endpoint.objects.for_actor(request.actor).existing().with_public_id(id)
        body = self.validated(request, ReplayWebhookEndpointBody)
        selection = actions.replay_selection(
            body["status"], body.get("event_types", ()), body.get("since"), body.get("until")
        )
        if body["dry_run"]:
            return Response({"count": actions.count_replay(actor=request.actor, endpoint_id=id, selection=selection)})
        rate = body.get("rate_per_second")
        job = actions.start_replay(actor=request.actor, endpoint_id=id, selection=selection, rate_per_second=rate)
        return Response(ReplaySerializer.write(job), status=202)


def visible_replays(request: ApiRequest) -> OrgQuerySet[ReplayJob]:
    """Return the replays that the caller can see, with their endpoints."""
    return ReplayJob.objects.for_actor(request.actor).select_related("endpoint")


class Replays(PortalView):
    about = "The list."

    @serves(operations.LIST_REPLAYS, Permission.WEBHOOKS_READ, etag=True)
    def get(self, request: ApiRequest) -> Response:
        return self.cursor_page(request, visible_replays(request), ReplaySerializer.write)


class OneReplay(PortalView):
    about = "One replay."

    @serves(operations.GET_REPLAY, Permission.WEBHOOKS_READ, etag=True)
    def get(self, request: ApiRequest, id: str) -> Response:
        job: ReplayJob = visible_replays(request).with_public_id(id)
        return ObjectResponse(ReplaySerializer.write(job), job.version)


class CancelReplay(PortalView):
    about = "The end before its time."

    @serves(operations.CANCEL_REPLAY, Permission.WEBHOOKS_WRITE, idempotent=True, if_match=True)
    def post(self, request: ApiRequest, id: str) -> Response:
        visible_replays(request).with_public_id(id)
        self.validated(request, EmptyBody)
        job = actions.cancel_replay(actor=request.actor, replay_id=id, expected=self.expected(request))
        return ObjectResponse(ReplaySerializer.write(job), job.version)

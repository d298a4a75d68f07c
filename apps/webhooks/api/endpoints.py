"""``/v1/webhook-endpoints`` and ``/v1/event-types``."""

import uuid
from operator import attrgetter
from typing import Any

from django.db.models import Count
from rest_framework.response import Response

from apps.base.errors import NotFound
from apps.base.permissions import Permission
from apps.base.requests import ApiRequest
from apps.base.rest.etags import ObjectResponse
from apps.base.rest.serializers import EmptyBody
from apps.base.rest.views import ANY_KEY, PortalView, serves
from apps.webhooks import actions
from apps.webhooks.api import operations
from apps.webhooks.api.delivery_serializers import DeliverySerializer
from apps.webhooks.api.endpoint_serializers import (
    CreateWebhookEndpointBody,
    EnableWebhookEndpointBody,
    RotateWebhookSecretBody,
    TestWebhookEndpointBody,
    UpdateWebhookEndpointBody,
    WebhookEndpointSerializer,
    WebhookEndpointWithSecretSerializer,
)
from apps.webhooks.api.event_serializers import EventTypeSerializer
from apps.webhooks.models import Delivery, DeliveryStatus, Endpoint, EndpointQuerySet, EventType


def visible_endpoints(request: ApiRequest) -> EndpointQuerySet:
    """Return the endpoints that the caller can see, oldest first."""
    return Endpoint.objects.for_actor(request.actor).existing().order_by("pk")


def held_counts(endpoints: list[Endpoint]) -> dict[uuid.UUID, int]:
    """Return the number of held deliveries by endpoint, in one query."""
    rows = Delivery.objects.filter(endpoint__in=endpoints, status=DeliveryStatus.HELD).values_list("endpoint_id")
    return dict(rows.annotate(count=Count("pk")).order_by())


def same_url_keys(endpoints: list[Endpoint]) -> dict[uuid.UUID, list[uuid.UUID]]:
    """Return, by endpoint, the organization's other endpoints with the same URL, in one query."""
    candidates = Endpoint.objects.existing().filter(
        organization_id__in={each.organization_id for each in endpoints}, url__in={each.url for each in endpoints}
    )
    rows = list(candidates.order_by("pk").values_list("pk", "url"))
    return {each.pk: [key for key, url in rows if url == each.url and key != each.pk] for each in endpoints}


def endpoint_response(endpoint: Endpoint) -> ObjectResponse:
    return ObjectResponse(_write([endpoint])[0], endpoint.version)


def _write(endpoints: list[Endpoint], **secret: str) -> list[dict[str, Any]]:
    """Return the JSON objects of endpoints, with their signing secret if it is given."""
    serializer = WebhookEndpointWithSecretSerializer if secret else WebhookEndpointSerializer
    return serializer.write_all(
        endpoints, held_counts=held_counts(endpoints), same_url=same_url_keys(endpoints), **secret
    )


class Endpoints(PortalView):
    about = "The list, and new ones."

    @serves(operations.LIST_ENDPOINTS, Permission.WEBHOOKS_READ, etag=True)
    def get(self, request: ApiRequest) -> Response:
        response = self.offset_page(request, visible_endpoints(request), lambda endpoint: endpoint)
        response.data = _write(response.data)
        return response

    @serves(operations.CREATE_ENDPOINT, Permission.WEBHOOKS_WRITE, idempotent=True)
    def post(self, request: ApiRequest) -> Response:
        body = self.validated(request, CreateWebhookEndpointBody)
        endpoint, secret = actions.create_endpoint(actor=request.actor, **body)
        return Response(_write([endpoint], secret=secret)[0], status=201)


class OneEndpoint(PortalView):
    about = "One endpoint."

    @serves(operations.GET_ENDPOINT, Permission.WEBHOOKS_READ, etag=True)
    def get(self, request: ApiRequest, id: str) -> Response:
        return endpoint_response(visible_endpoints(request).with_public_id(id))

    @serves(operations.UPDATE_ENDPOINT, Permission.WEBHOOKS_WRITE, if_match=True)
    def patch(self, request: ApiRequest, id: str) -> Response:
        visible_endpoints(request).with_public_id(id)
        body, expected = self.validated(request, UpdateWebhookEndpointBody), self.expected(request)
        endpoint = actions.update_endpoint(actor=request.actor, endpoint_id=id, expected=expected, **body)
        return endpoint_response(endpoint)

    @serves(operations.DELETE_ENDPOINT, Permission.WEBHOOKS_WRITE, if_match=True)
    def delete(self, request: ApiRequest, id: str) -> Response:
        visible_endpoints(request).with_public_id(id)
        actions.delete_endpoint(actor=request.actor, endpoint_id=id, expected=self.expected(request))
        return Response(status=204)


class TestEndpoint(PortalView):
    about = "A test send."

    @serves(operations.TEST_ENDPOINT, Permission.WEBHOOKS_WRITE, idempotent=True)
    def post(self, request: ApiRequest, id: str) -> Response:
        visible_endpoints(request).with_public_id(id)
        body = self.validated(request, TestWebhookEndpointBody)
        delivery = actions.send_test(actor=request.actor, endpoint_id=id, **body)
        return Response(DeliverySerializer.write(delivery), status=202)


class PauseEndpoint(PortalView):
    about = "Deliveries wait."

    @serves(operations.PAUSE_ENDPOINT, Permission.WEBHOOKS_WRITE, idempotent=True, if_match=True)
    def post(self, request: ApiRequest, id: str) -> Response:
        visible_endpoints(request).with_public_id(id)
        self.validated(request, EmptyBody)
        expected = self.expected(request)
        return endpoint_response(actions.pause_endpoint(actor=request.actor, endpoint_id=id, expected=expected))


class EnableEndpoint(PortalView):
    about = "Deliveries go on."

    @serves(operations.ENABLE_ENDPOINT, Permission.WEBHOOKS_WRITE, idempotent=True, if_match=True)
    def post(self, request: ApiRequest, id: str) -> Response:
        visible_endpoints(request).with_public_id(id)
        body, expected = self.validated(request, EnableWebhookEndpointBody), self.expected(request)
        return endpoint_response(
            actions.enable_endpoint(actor=request.actor, endpoint_id=id, expected=expected, **body)
        )


class RotateSecret(PortalView):
    about = "A new signing secret."

    @serves(operations.ROTATE_SECRET, Permission.WEBHOOKS_WRITE, idempotent=True, if_match=True)
    def post(self, request: ApiRequest, id: str) -> Response:
        visible_endpoints(request).with_public_id(id)
        body, expected = self.validated(request, RotateWebhookSecretBody), self.expected(request)
        endpoint, secret = actions.rotate_secret(actor=request.actor, endpoint_id=id, expected=expected, **body)
        return Response(_write([endpoint], secret=secret)[0])


# Event types


class EventTypes(PortalView):
    about = "The catalogue."

    @serves(operations.LIST_EVENT_TYPES, ANY_KEY, etag=True)
    def get(self, request: ApiRequest) -> Response:
        rows = EventType.objects.order_by("name")
        return self.offset_page(request, rows, EventTypeSerializer.write, key=attrgetter("name"), column="name")


class OneEventType(PortalView):
    about = "One event type."

    @serves(operations.GET_EVENT_TYPE, ANY_KEY, etag=True)
    def get(self, request: ApiRequest, name: str) -> Response:
        row = EventType.objects.filter(name=name).first()
        if row is None:
            raise NotFound()
        return Response(EventTypeSerializer.write(row))

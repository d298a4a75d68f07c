"""``/v1/events`` and ``/v1/deliveries``."""

from functools import reduce
from operator import or_

from django.db.models import Q
from rest_framework.response import Response

from apps.audit.timeline.sources import KEY_SLACK_MS, uuid7_floor
from apps.base.errors import Invalid
from apps.base.identifiers import decode
from apps.base.models import OrgQuerySet
from apps.base.permissions import Permission
from apps.base.requests import ApiRequest
from apps.base.rest.query_parameters import choice_list_parameter, matching_list_parameter, time_parameter
from apps.base.rest.serializers import EmptyBody
from apps.base.rest.views import PortalView, serves
from apps.webhooks import actions
from apps.webhooks.api import operations
from apps.webhooks.api.delivery_serializers import DeliverySerializer, DeliveryWithAttemptsSerializer
from apps.webhooks.api.event_serializers import (
    AcceptedEventSerializer,
    AcceptedEventsSerializer,
    EventSerializer,
    EventWithDataSerializer,
    PublishEventBody,
    PublishEventsBody,
    event_arguments,
)
from apps.webhooks.models import Delivery, DeliveryStatus, Endpoint, Event
from apps.webhooks.stats.list_conditions import with_literal_constants
from apps.webhooks.types.catalogue import EVENT_NAME
from apps.webhooks.types.scopes import require_scopes, types_hidden_from

READ_EVENTS = (Permission.EVENTS_READ, Permission.WEBHOOKS_READ)


# Events


def visible_events(request: ApiRequest) -> OrgQuerySet[Event]:
    """Return the events that the caller can see, without tests."""
    return Event.objects.for_actor(request.actor).filter(test=False)


def type_parameter(request: ApiRequest, name: str) -> list[str]:
    """Return the event types to filter by; raise Forbidden if the caller cannot read events of one of them."""
    found = matching_list_parameter(request, name, EVENT_NAME, "order.created")
    require_scopes(request.actor, found)
    return found


class Events(PortalView):
    about = "The list, and publishing."

    @serves(operations.LIST_EVENTS, READ_EVENTS, etag=True)
    def get(self, request: ApiRequest) -> Response:
        rows = visible_events(request).defer("body").filter(_period_filter(request))
        names, hidden = type_parameter(request, "type"), types_hidden_from(request.actor, "type")
        rows = rows if hidden is None else rows.exclude(hidden)
        return self.cursor_page(request, rows.filter(_one_of("type", names)), EventSerializer.write)

    @serves(operations.PUBLISH_EVENT, Permission.EVENTS_WRITE, idempotent=True)
    def post(self, request: ApiRequest) -> Response:
        body = self.validated(request, PublishEventBody)
        accepted = actions.publish_event(actor=request.actor, **event_arguments(body))
        return Response(AcceptedEventSerializer.write(accepted), status=202)


class EventBatch(PortalView):
    about = "Several events at once: all or nothing."

    @serves(operations.PUBLISH_EVENTS, Permission.EVENTS_WRITE, idempotent=True)
    def post(self, request: ApiRequest) -> Response:
        bodies = self.validated(request, PublishEventsBody)["events"]
        accepted = actions.publish_events(actor=request.actor, events=[event_arguments(body) for body in bodies])
        return Response(AcceptedEventsSerializer.write(accepted), status=202)


class OneEvent(PortalView):
    about = "One event."

    @serves(operations.GET_EVENT, READ_EVENTS, etag=True)
    def get(self, request: ApiRequest, id: str) -> Response:
        event: Event = visible_events(request).with_public_id(id)
        require_scopes(request.actor, [event.type])
        return Response(EventWithDataSerializer.write(event))


# Deliveries


def visible_deliveries(request: ApiRequest) -> OrgQuerySet[Delivery]:
    """Return the deliveries that the caller can see, with the columns that ``DeliverySerializer`` needs."""
    rows = Delivery.objects.for_actor(request.actor).select_related("endpoint")
    return rows.only(*(field.name for field in Delivery._meta.concrete_fields), "endpoint__url")


class Deliveries(PortalView):
    about = "The log."

    @serves(operations.LIST_DELIVERIES, Permission.WEBHOOKS_READ, etag=True)
    def get(self, request: ApiRequest) -> Response:
        rows = visible_deliveries(request).filter(_filters(request))
        hidden = types_hidden_from(request.actor, "event_type")
        if hidden is not None:
            # Tests contain the sample of their event type, which every key can read.
            rows = rows.exclude(hidden, test=False)
        return self.cursor_page(request, rows, DeliverySerializer.write)


def _filters(request: ApiRequest) -> Q:
    condition = Q()
    for parameter, model in (("endpoint", Endpoint), ("event", Event)):
        text = request.query_params.get(parameter)
        if text is not None:
            key = decode(model.id_prefix, text)
            if key is None:
                raise Invalid.field(parameter, f"{parameter} must be an id such as {model.id_prefix}_….")
            condition &= Q(**{parameter: key})
    condition &= with_literal_constants(
        _one_of("status", choice_list_parameter(request, "status", DeliveryStatus.values))
    )
    condition &= _one_of("event_type", type_parameter(request, "event_type"))
    return condition & _period_filter(request)


def _one_of(column: str, values: list[str]) -> Q:
    """Match rows with any of the values, or all rows if there are none."""
    return reduce(or_, (Q(**{column: value}) for value in values), Q())


def _period_filter(request: ApiRequest) -> Q:
    """Match the requested period by time and by key: keys are ordered by time, so this bounds the index scan."""
    since, until = time_parameter(request, "since"), time_parameter(request, "until")
    condition = Q()
    if since is not None:
        condition &= Q(created_at__gte=since, pk__gte=uuid7_floor(since, -KEY_SLACK_MS))
    if until is not None:
        condition &= Q(created_at__lt=until, pk__lt=uuid7_floor(until, KEY_SLACK_MS))
    return condition


class OneDelivery(PortalView):
    about = "One delivery."

    @serves(operations.GET_DELIVERY, Permission.WEBHOOKS_READ, etag=True)
    def get(self, request: ApiRequest, id: str) -> Response:
        rows = Delivery.objects.for_actor(request.actor).select_related("endpoint", "event")
        delivery: Delivery = rows.with_public_id(id)
        require_scopes(request.actor, [] if delivery.test else [delivery.event_type])
        return Response(DeliveryWithAttemptsSerializer.write(delivery))


class RetryDelivery(PortalView):
    about = "Send it now, or again."

    @serves(operations.RETRY_DELIVERY, Permission.WEBHOOKS_WRITE, idempotent=True)
    def post(self, request: ApiRequest, id: str) -> Response:
        visible_deliveries(request).with_public_id(id)
        self.validated(request, EmptyBody)
        delivery = actions.retry_delivery(actor=request.actor, delivery_id=id)
        return Response(DeliverySerializer.write(delivery), status=202)

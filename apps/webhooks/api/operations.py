"""Declare the operations of the webhooks API: bodies, responses, parameters and errors."""

from apps.base.rest.fields import Choice, Id, StrictString
from apps.base.rest.operations import (
    DELETED,
    Operation,
    Paging,
    Parameter,
    ResponseSpec,
    time_range_parameters,
)
from apps.base.rest.serializers import EmptyBody
from apps.webhooks.api.delivery_serializers import DeliverySerializer, DeliveryWithAttemptsSerializer
from apps.webhooks.api.endpoint_serializers import (
    CreateWebhookEndpointBody,
    EnableWebhookEndpointBody,
    RotateWebhookSecretBody,
    TestWebhookEndpointBody,
    UpdateWebhookEndpointBody,
    WebhookEndpointSerializer,
    WebhookEndpointWithSecretSerializer,
)
from apps.webhooks.api.event_serializers import (
    AcceptedEventSerializer,
    AcceptedEventsSerializer,
    EventSerializer,
    EventTypeSerializer,
    EventWithDataSerializer,
    PublishEventBody,
    PublishEventsBody,
)
from apps.webhooks.api.replay_serializers import ReplayCountSerializer, ReplaySerializer, ReplayWebhookEndpointBody
from apps.webhooks.models import DeliveryStatus
from apps.webhooks.types import catalogue

EVENT_NAME = f"^{catalogue.EVENT_NAME.pattern}$"
STATE = {200: ResponseSpec("The endpoint as it is now.", WebhookEndpointSerializer)}

LIST_ENDPOINTS = Operation(
    "listWebhookEndpoints",
    "List endpoints, oldest first.",
    {200: ResponseSpec("The endpoints, oldest first.", WebhookEndpointSerializer, many=True)},
    paging=Paging.OFFSET,
)
CREATE_ENDPOINT = Operation(
    "createWebhookEndpoint",
    "Add an endpoint; its secret is in this answer and never again.",
    {
        201: ResponseSpec(
            "The endpoint, with its signing secret this once. A repeated answer lacks it.",
            WebhookEndpointWithSecretSerializer,
        )
    },
    CreateWebhookEndpointBody,
    error_codes=("forbidden", "endpoint_limit_reached"),
    step_up=True,
)
GET_ENDPOINT = Operation(
    "getWebhookEndpoint", "Return one endpoint.", {200: ResponseSpec("The endpoint.", WebhookEndpointSerializer)}
)
UPDATE_ENDPOINT = Operation(
    "updateWebhookEndpoint",
    "Change the fields that the body names.",
    STATE,
    UpdateWebhookEndpointBody,
    error_codes=("conflict",),
)
DELETE_ENDPOINT = Operation(
    "deleteWebhookEndpoint", "Delete the endpoint and drop what waits for it.", {204: DELETED}, step_up=True
)
TEST_ENDPOINT = Operation(
    "testWebhookEndpoint",
    "Send the sample of a type once.",
    {202: ResponseSpec("The delivery, which is sent at once.", DeliverySerializer)},
    TestWebhookEndpointBody,
)
PAUSE_ENDPOINT = Operation("pauseWebhookEndpoint", "Pause the endpoint.", STATE, EmptyBody, error_codes=("conflict",))
ENABLE_ENDPOINT = Operation(
    "enableWebhookEndpoint",
    "Enable the endpoint and settle what is held.",
    STATE,
    EnableWebhookEndpointBody,
    error_codes=("conflict",),
)
ROTATE_SECRET = Operation(
    "rotateWebhookSecret",
    "Make a new secret; it is in this answer and never again.",
    {200: ResponseSpec("The endpoint, with its new signing secret this once.", WebhookEndpointWithSecretSerializer)},
    RotateWebhookSecretBody,
    error_codes=("conflict",),
    step_up=True,
)
REPLAY_ENDPOINT = Operation(
    "replayWebhookEndpoint",
    "Start a replay of the chosen events, or only count them.",
    {
        200: ResponseSpec("How many would be sent: the answer to a dry run.", ReplayCountSerializer),
        202: ResponseSpec("The replay, which runs by itself.", ReplaySerializer),
    },
    ReplayWebhookEndpointBody,
    error_codes=("conflict",),
)

LIST_EVENT_TYPES = Operation(
    "listEventTypes",
    "List event types by name.",
    {200: ResponseSpec("The event types, by name.", EventTypeSerializer, many=True)},
    paging=Paging.OFFSET,
)
GET_EVENT_TYPE = Operation(
    "getEventType", "Return one event type.", {200: ResponseSpec("The event type.", EventTypeSerializer)}
)

LIST_EVENTS = Operation(
    "listEvents",
    "List events, newest first.",
    {200: ResponseSpec("The events, newest first.", EventSerializer, many=True)},
    paging=Paging.CURSOR,
    parameters=(
        Parameter("type", StrictString("Only events of these types.", pattern=EVENT_NAME), many=True),
        *time_range_parameters("events"),
    ),
)
PUBLISH_EVENT = Operation(
    "publishEvent",
    "Accept an event; the answer leaves after the commit.",
    {202: ResponseSpec("The event is stored, its deliveries with it.", AcceptedEventSerializer)},
    PublishEventBody,
    error_codes=("conflict",),
)
PUBLISH_EVENTS = Operation(
    "publishEvents",
    "Accept up to 100 events.",
    {202: ResponseSpec("All events are stored, their deliveries with them.", AcceptedEventsSerializer)},
    PublishEventsBody,
    error_codes=("conflict",),
)
GET_EVENT = Operation(
    "getEvent",
    "Return one event with its data.",
    {200: ResponseSpec("The event; its data is null once that was pruned.", EventWithDataSerializer)},
)

LIST_DELIVERIES = Operation(
    "listDeliveries",
    "List deliveries, newest first.",
    {200: ResponseSpec("The deliveries, newest first.", DeliverySerializer, many=True)},
    paging=Paging.CURSOR,
    parameters=(
        Parameter("endpoint", Id("Only deliveries to this endpoint.", prefix="ep")),
        Parameter("status", Choice(DeliveryStatus.values, "Only deliveries with one of these statuses."), many=True),
        Parameter(
            "event_type", StrictString("Only deliveries of events of these types.", pattern=EVENT_NAME), many=True
        ),
        Parameter("event", Id("Only deliveries of this event.", prefix="evt")),
        *time_range_parameters("deliveries"),
    ),
)
GET_DELIVERY = Operation(
    "getDelivery",
    "Return one delivery with its attempts and payload.",
    {200: ResponseSpec("The delivery with its attempts and payload.", DeliveryWithAttemptsSerializer)},
)
RETRY_DELIVERY = Operation(
    "retryDelivery",
    "Return the delivery that is sent: the same one, or a new one for a finished one.",
    {
        202: ResponseSpec(
            "The delivery that is sent: the same one, or a new one for a finished one.", DeliverySerializer
        )
    },
    EmptyBody,
    error_codes=("conflict",),
)

LIST_REPLAYS = Operation(
    "listReplays",
    "List replays, newest first.",
    {200: ResponseSpec("The replays, newest first.", ReplaySerializer, many=True)},
    paging=Paging.CURSOR,
)
GET_REPLAY = Operation(
    "getReplay",
    "Return one replay with its progress.",
    {200: ResponseSpec("The replay with its progress.", ReplaySerializer)},
)
CANCEL_REPLAY = Operation(
    "cancelReplay",
    "Stop a replay before its next batch.",
    {200: ResponseSpec("The replay as it is now.", ReplaySerializer)},
    EmptyBody,
    error_codes=("conflict",),
)

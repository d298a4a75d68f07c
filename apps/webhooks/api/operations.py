"""Operations of the webhooks API: bodies, responses, parameters and errors."""

from apps.base.rest.operations import (
    DELETED,
    Operation,
    Paging,
    Parameter,
    ResponseSpec,
    time_range_parameters,
)
from apps.base.rest.shapes import public_id
from apps.webhooks.api.serializers import (
    EmptyBody,
    EnableBody,
    EndpointChangeBody,
    NewEndpointBody,
    NewEventBody,
    NewEventsBody,
    ReplayBody,
    RotateBody,
    TestBody,
)
from apps.webhooks.api.shapes import (
    ACCEPTED,
    ACCEPTED_EVENTS,
    COUNT,
    DATA,
    DELIVERY,
    ENDPOINT,
    EVENT,
    EVENT_NAME,
    EVENT_TYPE,
    NEW_ENDPOINT,
    REPLAY,
    STATUSES,
    URL,
    WHOLE_DELIVERY,
    WHOLE_EVENT,
)

STATE = {200: ResponseSpec("The endpoint as it is now.", ENDPOINT)}

LIST_ENDPOINTS = Operation(
    "listWebhookEndpoints",
    "List endpoints, oldest first.",
    {200: ResponseSpec("The endpoints, oldest first.", ENDPOINT, many=True)},
    paging=Paging.OFFSET,
)
CREATE_ENDPOINT = Operation(
    "createWebhookEndpoint",
    "Add an endpoint; its secret is in this answer and never again.",
    {
        201: ResponseSpec(
            "The endpoint, with its signing secret this once. A repeated answer is without it.", NEW_ENDPOINT
        )
    },
    NewEndpointBody,
    {"url": URL, "event_types": ["order.*"], "description": "Order desk"},
    error_codes=("forbidden", "endpoint_limit_reached"),
    step_up=True,
)
GET_ENDPOINT = Operation("getWebhookEndpoint", "Return one endpoint.", {200: ResponseSpec("The endpoint.", ENDPOINT)})
UPDATE_ENDPOINT = Operation(
    "updateWebhookEndpoint",
    "Change the fields that the body names.",
    STATE,
    EndpointChangeBody,
    {"description": "Order desk, Lyon"},
    error_codes=("conflict",),
)
DELETE_ENDPOINT = Operation(
    "deleteWebhookEndpoint", "Delete the endpoint and drop what waits for it.", {204: DELETED}, step_up=True
)
TEST_ENDPOINT = Operation(
    "testWebhookEndpoint",
    "Send the sample of a type once.",
    {202: ResponseSpec("The delivery, which is sent at once.", DELIVERY)},
    TestBody,
    {"event_type": "order.created"},
)
PAUSE_ENDPOINT = Operation(
    "pauseWebhookEndpoint", "Pause the endpoint.", STATE, EmptyBody, {}, error_codes=("conflict",)
)
ENABLE_ENDPOINT = Operation(
    "enableWebhookEndpoint",
    "Enable the endpoint and settle what is held.",
    STATE,
    EnableBody,
    {"held": "send"},
    error_codes=("conflict",),
)
ROTATE_SECRET = Operation(
    "rotateWebhookSecret",
    "Make a new secret; it is in this answer and never again.",
    {200: ResponseSpec("The endpoint, with its new signing secret this once.", NEW_ENDPOINT)},
    RotateBody,
    {"overlap_seconds": 86400},
    error_codes=("conflict",),
    step_up=True,
)
REPLAY_ENDPOINT = Operation(
    "replayWebhookEndpoint",
    "Start a replay of the chosen events, or only count them.",
    {
        200: ResponseSpec("How many would be sent: the answer to a dry run.", COUNT),
        202: ResponseSpec("The replay, which runs by itself.", REPLAY),
    },
    ReplayBody,
    {"since": "2026-11-22T06:14:00Z", "status": ["exhausted"], "dry_run": True},
    error_codes=("conflict",),
)

LIST_EVENT_TYPES = Operation(
    "listEventTypes",
    "List event types by name.",
    {200: ResponseSpec("The event types, by name.", EVENT_TYPE, many=True)},
    paging=Paging.OFFSET,
)
GET_EVENT_TYPE = Operation("getEventType", "Return one event type.", {200: ResponseSpec("The event type.", EVENT_TYPE)})

LIST_EVENTS = Operation(
    "listEvents",
    "List events, newest first.",
    {200: ResponseSpec("The events, newest first.", EVENT, many=True)},
    paging=Paging.CURSOR,
    parameters=(
        Parameter("type", "Only events of these types.", EVENT_NAME, many=True),
        *time_range_parameters("events"),
    ),
)
PUBLISH_EVENT = Operation(
    "publishEvent",
    "Accept an event; the answer leaves after the commit.",
    {202: ResponseSpec("The event is stored, its deliveries with it.", ACCEPTED)},
    NewEventBody,
    {"type": "order.created", "data": DATA, "id": "order-1001-created"},
    error_codes=("conflict",),
)
PUBLISH_EVENTS = Operation(
    "publishEvents",
    "Accept up to 100 events.",
    {202: ResponseSpec("All events are stored, their deliveries with them.", ACCEPTED_EVENTS)},
    NewEventsBody,
    {"events": [{"type": "order.created", "data": DATA, "id": "order-1001-created"}]},
    error_codes=("conflict",),
)
GET_EVENT = Operation(
    "getEvent",
    "Return one event with its data.",
    {200: ResponseSpec("The event; its data is null once that was pruned.", WHOLE_EVENT)},
)

LIST_DELIVERIES = Operation(
    "listDeliveries",
    "List deliveries, newest first.",
    {200: ResponseSpec("The deliveries, newest first.", DELIVERY, many=True)},
    paging=Paging.CURSOR,
    parameters=(
        Parameter("endpoint", "Only deliveries to this endpoint.", public_id("ep")),
        Parameter("status", "Only deliveries with one of these statuses.", STATUSES, many=True),
        Parameter("event_type", "Only deliveries of events of these types.", EVENT_NAME, many=True),
        Parameter("event", "Only deliveries of this event.", public_id("evt")),
        *time_range_parameters("deliveries"),
    ),
)
GET_DELIVERY = Operation(
    "getDelivery",
    "Return one delivery with its attempts and payload.",
    {200: ResponseSpec("The delivery with its attempts and payload.", WHOLE_DELIVERY)},
)
RETRY_DELIVERY = Operation(
    "retryDelivery",
    "Return the delivery that is sent: the same one, or a new one for a finished one.",
    {202: ResponseSpec("The delivery that is sent: the same one, or a new one for a finished one.", DELIVERY)},
    EmptyBody,
    {},
    error_codes=("conflict",),
)

LIST_REPLAYS = Operation(
    "listReplays",
    "List replays, newest first.",
    {200: ResponseSpec("The replays, newest first.", REPLAY, many=True)},
    paging=Paging.CURSOR,
)
GET_REPLAY = Operation(
    "getReplay", "Return one replay with its progress.", {200: ResponseSpec("The replay with its progress.", REPLAY)}
)
CANCEL_REPLAY = Operation(
    "cancelReplay",
    "Stop a replay before its next batch.",
    {200: ResponseSpec("The replay as it is now.", REPLAY)},
    EmptyBody,
    {},
    error_codes=("conflict",),
)

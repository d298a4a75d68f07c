"""API views of webhook endpoints, event types, events, deliveries and replays."""

from apps.webhooks.api.endpoints import (
    EnableEndpoint,
    Endpoints,
    EventTypes,
    OneEndpoint,
    OneEventType,
    PauseEndpoint,
    RotateSecret,
    TestEndpoint,
)
from apps.webhooks.api.events import Deliveries, EventBatch, Events, OneDelivery, OneEvent, RetryDelivery
from apps.webhooks.api.replays import CancelReplay, OneReplay, ReplayEndpoint, Replays

__all__ = [
    "CancelReplay",
    "Deliveries",
    "EnableEndpoint",
    "Endpoints",
    "EventBatch",
    "EventTypes",
    "Events",
    "OneDelivery",
    "OneEndpoint",
    "OneEvent",
    "OneEventType",
    "OneReplay",
    "PauseEndpoint",
    "ReplayEndpoint",
    "Replays",
    "RetryDelivery",
    "RotateSecret",
    "TestEndpoint",
]

"""Both doors of this app."""

from django.urls import path

from apps.base.api import api_path
from apps.webhooks import views
from apps.webhooks.api import (
    Deliveries,
    EnableEndpoint,
    Endpoints,
    EventBatch,
    Events,
    EventTypes,
    OneDelivery,
    OneEndpoint,
    OneEvent,
    OneEventType,
    PauseEndpoint,
    RetryDelivery,
    RotateSecret,
    TestEndpoint,
)
from apps.webhooks.api.replays import CancelReplay, OneReplay, ReplayEndpoint, Replays

HERE = "o/<slug:slug>/settings/integration/"

pages = [
    path(HERE + "webhooks/", views.endpoint_list, name="webhooks"),
    path(HERE + "webhooks/create/", views.endpoint_create, name="webhook_create"),
    path(HERE + "webhooks/<str:endpoint_id>/", views.endpoint_detail, name="webhook"),
    path(HERE + "webhooks/<str:endpoint_id>/deliveries/", views.endpoint_deliveries, name="webhook_deliveries"),
    path(HERE + "webhooks/<str:endpoint_id>/test/", views.endpoint_test, name="webhook_test"),
    path(HERE + "webhooks/<str:endpoint_id>/pause/", views.endpoint_pause, name="webhook_pause"),
    path(HERE + "webhooks/<str:endpoint_id>/enable/", views.endpoint_enable, name="webhook_enable"),
    path(HERE + "webhooks/<str:endpoint_id>/delete/", views.endpoint_delete, name="webhook_delete"),
    path(HERE + "deliveries/<str:delivery_id>/", views.delivery_detail, name="delivery"),
    path(HERE + "deliveries/<str:delivery_id>/retry/", views.delivery_retry, name="delivery_retry"),
    path(HERE + "events/", views.event_catalogue, name="events"),
]
api = [
    api_path("webhook-endpoints", Endpoints, "webhook-endpoints"),
    api_path("webhook-endpoints/{id}", OneEndpoint, "webhook-endpoint"),
    api_path("webhook-endpoints/{id}/test", TestEndpoint, "webhook-endpoint-test"),
    api_path("webhook-endpoints/{id}/pause", PauseEndpoint, "webhook-endpoint-pause"),
    api_path("webhook-endpoints/{id}/enable", EnableEndpoint, "webhook-endpoint-enable"),
    api_path("webhook-endpoints/{id}/rotate-secret", RotateSecret, "webhook-endpoint-rotate-secret"),
    api_path("webhook-endpoints/{id}/replay", ReplayEndpoint, "webhook-endpoint-replay"),
    api_path("event-types", EventTypes, "event-types"),
    api_path("event-types/{name}", OneEventType, "event-type"),
    api_path("events", Events, "events"),
    api_path("events/batch", EventBatch, "events-batch"),
    api_path("events/{id}", OneEvent, "event"),
    api_path("deliveries", Deliveries, "deliveries"),
    api_path("deliveries/{id}", OneDelivery, "delivery"),
    api_path("deliveries/{id}/retry", RetryDelivery, "delivery-retry"),
    api_path("replays", Replays, "replays"),
    api_path("replays/{id}", OneReplay, "replay"),
    api_path("replays/{id}/cancel", CancelReplay, "replay-cancel"),
]

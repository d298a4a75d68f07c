"""URLs of the webhook pages and API."""

from django.urls import path

from apps.base.rest.views import api_path
from apps.webhooks import api as api_views
from apps.webhooks.views import catalogue, deliveries, endpoint_forms, endpoints, replays, testing

PREFIX = "o/<slug:slug>/settings/integration/"

pages = [
    path(PREFIX + "webhooks/", endpoints.endpoint_list, name="webhooks"),
    path(PREFIX + "webhooks/create/", endpoint_forms.endpoint_create, name="webhook_create"),
    path(PREFIX + "webhooks/inbox/", testing.inbox, name="webhook_inbox"),
    path(PREFIX + "webhooks/inbox/open/", testing.inbox_open, name="webhook_inbox_open"),
    path(PREFIX + "webhooks/<str:endpoint_id>/", endpoints.endpoint_detail, name="webhook"),
    path(PREFIX + "webhooks/<str:endpoint_id>/edit/", endpoint_forms.endpoint_edit, name="webhook_edit"),
    path(PREFIX + "webhooks/<str:endpoint_id>/subscribe/", catalogue.endpoint_subscribe, name="webhook_subscribe"),
    path(PREFIX + "webhooks/<str:endpoint_id>/test/", testing.endpoint_test, name="webhook_test"),
    path(PREFIX + "webhooks/<str:endpoint_id>/pause/", endpoints.endpoint_pause, name="webhook_pause"),
    path(PREFIX + "webhooks/<str:endpoint_id>/enable/", endpoints.endpoint_enable, name="webhook_enable"),
    path(PREFIX + "webhooks/<str:endpoint_id>/delete/", endpoints.endpoint_delete, name="webhook_delete"),
    path(PREFIX + "webhooks/<str:endpoint_id>/rotate-secret/", endpoints.secret_rotate, name="webhook_rotate_secret"),
    path(PREFIX + "webhooks/<str:endpoint_id>/end-secret/", endpoints.secret_revoke, name="webhook_end_secret"),
    path(PREFIX + "webhooks/<str:endpoint_id>/send-again/", deliveries.delivery_resend, name="webhook_send_again"),
    path(PREFIX + "webhooks/<str:endpoint_id>/replay/", replays.replay_start, name="webhook_replay"),
    path(PREFIX + "deliveries/<str:delivery_id>/", deliveries.delivery_detail, name="delivery"),
    path(PREFIX + "deliveries/<str:delivery_id>/retry/", deliveries.delivery_retry, name="delivery_retry"),
    path(PREFIX + "replays/<str:replay_id>/", replays.replay_detail, name="replay"),
    path(PREFIX + "replays/<str:replay_id>/cancel/", replays.replay_cancel, name="replay_cancel"),
    path(PREFIX + "events/", catalogue.event_catalogue, name="events"),
]
api = [
    api_path("webhook-endpoints", api_views.Endpoints, "webhook-endpoints"),
    api_path("webhook-endpoints/{id}", api_views.OneEndpoint, "webhook-endpoint"),
    api_path("webhook-endpoints/{id}/test", api_views.TestEndpoint, "webhook-endpoint-test"),
    api_path("webhook-endpoints/{id}/pause", api_views.PauseEndpoint, "webhook-endpoint-pause"),
    api_path("webhook-endpoints/{id}/enable", api_views.EnableEndpoint, "webhook-endpoint-enable"),
    api_path("webhook-endpoints/{id}/rotate-secret", api_views.RotateSecret, "webhook-endpoint-rotate-secret"),
    api_path("webhook-endpoints/{id}/replay", api_views.ReplayEndpoint, "webhook-endpoint-replay"),
    api_path("event-types", api_views.EventTypes, "event-types"),
    api_path("event-types/{name}", api_views.OneEventType, "event-type"),
    api_path("events", api_views.Events, "events"),
    api_path("events/batch", api_views.EventBatch, "events-batch"),
    api_path("events/{id}", api_views.OneEvent, "event"),
    api_path("deliveries", api_views.Deliveries, "deliveries"),
    api_path("deliveries/{id}", api_views.OneDelivery, "delivery"),
    api_path("deliveries/{id}/retry", api_views.RetryDelivery, "delivery-retry"),
    api_path("replays", api_views.Replays, "replays"),
    api_path("replays/{id}", api_views.OneReplay, "replay"),
    api_path("replays/{id}/cancel", api_views.CancelReplay, "replay-cancel"),
]

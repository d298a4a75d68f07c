"""Both doors of this app."""

from django.urls import path

from apps.api_keys import api as doors
from apps.api_keys import views
from apps.base.api import api_path

HERE = "o/<slug:slug>/settings/integration/api-keys/"
USAGE = "o/<slug:slug>/settings/integration/usage/"

pages = [
    path(HERE, views.key_list, name="api_keys"),
    path(HERE + "create/", views.key_create, name="api_key_create"),
    path(HERE + "inventory/", views.key_inventory, name="api_key_inventory"),
    path(HERE + "inventory.csv", views.key_inventory_csv, name="api_key_inventory_csv"),
    path(HERE + "<str:key_id>/", views.key_detail, name="api_key"),
    path(HERE + "<str:key_id>/edit/", views.key_edit, name="api_key_edit"),
    path(HERE + "<str:key_id>/rotate/", views.key_rotate, name="api_key_rotate"),
    path(HERE + "<str:key_id>/disable/", views.key_disable, name="api_key_disable"),
    path(HERE + "<str:key_id>/enable/", views.key_enable, name="api_key_enable"),
    path(HERE + "<str:key_id>/release/", views.key_release, name="api_key_release"),
    path(HERE + "<str:key_id>/revoke/", views.key_revoke, name="api_key_revoke"),
    path(HERE + "<str:key_id>/usage/", views.key_usage, name="api_key_usage"),
    path(HERE + "<str:key_id>/drain/", views.key_drain, name="api_key_drain"),
    path(USAGE, views.usage, name="usage"),
]
api = [
    api_path("me", doors.Me, "me"),
    api_path("api-keys", doors.ApiKeys, "api-keys"),
    api_path("api-keys/verify", doors.VerifyApiKey, "api-keys-verify"),
    api_path("api-keys/{id}", doors.OneApiKey, "api-key"),
    api_path("api-keys/{id}/rotate", doors.RotateApiKey, "api-key-rotate"),
    api_path("api-keys/{id}/revoke", doors.RevokeApiKey, "api-key-revoke"),
    api_path("api-keys/{id}/disable", doors.DisableApiKey, "api-key-disable"),
    api_path("api-keys/{id}/enable", doors.EnableApiKey, "api-key-enable"),
    api_path("api-keys/{id}/release", doors.ReleaseApiKey, "api-key-release"),
    api_path("api-keys/{id}/usage", doors.KeyUsage, "api-key-usage"),
    api_path("usage", doors.Usage, "usage"),
]

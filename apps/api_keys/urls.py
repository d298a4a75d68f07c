"""Routes of the pages and of the API."""

from django.urls import path

from apps.api_keys import api as api_views
from apps.api_keys import views
from apps.base.permissions import Permission
from apps.base.rest.views import api_path
from apps.credentials.key_api import key_paths
from apps.credentials.lifecycle.pages import lifecycle_urls

BASE_PATH = "o/<slug:slug>/settings/integration/api-keys/"
KEY_PATH = BASE_PATH + "<str:key_id>/"
USAGE_PATH = "o/<slug:slug>/settings/integration/usage/"

pages = [
    path(BASE_PATH, views.key_list, name="api_keys"),
    path(BASE_PATH + "create/", views.key_create, name="api_key_create"),
    path(BASE_PATH + "inventory/", views.key_inventory, name="api_key_inventory"),
    path(BASE_PATH + "inventory.csv", views.key_inventory_csv, name="api_key_inventory_csv"),
    path(KEY_PATH, views.key_detail, name="api_key"),
    *lifecycle_urls(KEY_PATH, views.API_KEY_PAGES, Permission.API_KEYS_WRITE),
    path(KEY_PATH + "usage/", views.key_usage, name="api_key_usage"),
    path(KEY_PATH + "drain/", views.key_rotation_progress, name="api_key_drain"),
    path(USAGE_PATH, views.usage, name="usage"),
]
keys, *one_key = key_paths(api_views.API_KEY_RESOURCE, Permission.API_KEYS_READ, Permission.API_KEYS_WRITE)
api = [
    api_path("me", api_views.Me, "me"),
    keys,
    api_path("api-keys/verify", api_views.VerifyApiKey, "api-keys-verify"),
    # After /v1/api-keys/verify, which has the form of one key's path.
    *one_key,
    api_path("api-keys/{id}/usage", api_views.KeyUsage, "api-key-usage"),
    api_path("usage", api_views.Usage, "usage"),
]

"""Routes of the pages and of the API."""

from django.urls import path

from apps.api_keys import api as api_views
from apps.api_keys import views
from apps.base.permissions import Permission
from apps.base.rest.views import api_path
from apps.credentials.key_api import key_paths
from apps.credentials.lifecycle.pages import lifecycle_urls

HERE = "o/<slug:slug>/settings/integration/api-keys/"
KEY = HERE + "<str:key_id>/"
USAGE = "o/<slug:slug>/settings/integration/usage/"

pages = [
    path(HERE, views.key_list, name="api_keys"),
    path(HERE + "create/", views.key_create, name="api_key_create"),
    path(HERE + "inventory/", views.key_inventory, name="api_key_inventory"),
    path(HERE + "inventory.csv", views.key_inventory_csv, name="api_key_inventory_csv"),
    path(KEY, views.key_detail, name="api_key"),
    *lifecycle_urls(KEY, views.KEYS, Permission.API_KEYS_WRITE),
    path(KEY + "usage/", views.key_usage, name="api_key_usage"),
    path(KEY + "drain/", views.key_drain, name="api_key_drain"),
    path(USAGE, views.usage, name="usage"),
]
keys, *one_key = key_paths(api_views.KEYS, Permission.API_KEYS_READ, Permission.API_KEYS_WRITE)
api = [
    api_path("me", api_views.Me, "me"),
    keys,
    api_path("api-keys/verify", api_views.VerifyApiKey, "api-keys-verify"),
    # After /v1/api-keys/verify, which has the form of one key's path.
    *one_key,
    api_path("api-keys/{id}/usage", api_views.KeyUsage, "api-key-usage"),
    api_path("usage", api_views.Usage, "usage"),
]

"""The pages and API paths of this app."""

from django.urls import path

from apps.base.permissions import Permission
from apps.base.rest.views import api_path
from apps.credentials.key_api import key_paths
from apps.credentials.lifecycle.pages import lifecycle_urls
from apps.sdk_keys import api as api_views
from apps.sdk_keys import views

BASE_PATH = "o/<slug:slug>/settings/integration/sdk-keys/"
KEY_PATH = BASE_PATH + "<str:sdk_key_id>/"

pages = [
    path(BASE_PATH, views.sdk_keys, name="sdk_keys"),
    path(BASE_PATH + "ios/", views.sdk_key_list, {"platform": "ios"}, name="sdk_keys_ios"),
    path(BASE_PATH + "android/", views.sdk_key_list, {"platform": "android"}, name="sdk_keys_android"),
    path(BASE_PATH + "web/", views.sdk_key_list, {"platform": "web"}, name="sdk_keys_web"),
    path(BASE_PATH + "ios/create/", views.sdk_key_create, {"platform": "ios"}, name="sdk_key_create_ios"),
    path(BASE_PATH + "android/create/", views.sdk_key_create, {"platform": "android"}, name="sdk_key_create_android"),
    path(BASE_PATH + "web/create/", views.sdk_key_create, {"platform": "web"}, name="sdk_key_create_web"),
    path(KEY_PATH, views.sdk_key_detail, name="sdk_key"),
    *lifecycle_urls(KEY_PATH, views.SDK_KEY_PAGES, Permission.SDK_KEYS_WRITE),
    path(KEY_PATH + "activations/<str:activation_id>/free/", views.sdk_key_deactivate_device, name="sdk_key_free"),
]
api = [
    *key_paths(api_views.SDK_KEY_RESOURCE, Permission.SDK_KEYS_READ, Permission.SDK_KEYS_WRITE),
    api_path("sdk-keys/{id}/activations", api_views.Activations, "sdk-key-activations"),
    api_path("sdk-keys/{id}/activations/{act}", api_views.OneActivation, "sdk-key-activation"),
    api_path("sdk/activations", api_views.Activate, "sdk-activations"),
    api_path("sdk/activations/{id}", api_views.OwnActivation, "sdk-activation"),
    api_path("sdk/activations/{id}/heartbeat", api_views.Heartbeat, "sdk-heartbeat"),
]

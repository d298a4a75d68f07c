"""The pages and API paths of this app."""

from django.urls import path

from apps.base.rest.views import api_path
from apps.credentials import api as api_views
from apps.credentials import views

pages = [path("o/<slug:slug>/settings/integration/created-by/<str:creator>/", views.created_by, name="created_by")]
api = [
    api_path("leaked-keys", api_views.LeakedKeys, "leaked-keys"),
    api_path("descendants", api_views.Descendants, "descendants"),
    api_path("descendants/end", api_views.EndDescendants, "descendants-end"),
]

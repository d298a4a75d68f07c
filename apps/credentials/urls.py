"""Both doors of this app."""

from django.urls import path

from apps.base.rest.views import api_path
from apps.credentials import api as doors
from apps.credentials import views

pages = [path("o/<slug:slug>/settings/integration/created-by/<str:creator>/", views.created_by, name="created_by")]
api = [
    api_path("leaked-keys", doors.LeakedKeys, "leaked-keys"),
    api_path("descendants", doors.Descendants, "descendants"),
    api_path("descendants/end", doors.EndDescendants, "descendants-end"),
]

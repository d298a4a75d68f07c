"""Both doors of this app."""

from django.urls import path

from apps.base.api import api_path
from apps.orgs import api as doors
from apps.orgs import views

pages = [
    path("settings/integration/", views.landing, name="landing"),
    path("language/", views.set_language, name="set_language"),
    path("account/preferences/", views.preferences, name="preferences"),
    path("o/<slug:slug>/settings/organization/members/", views.members, name="members"),
]
api = [
    api_path("users", doors.Users, "users"),
    api_path("users/batch", doors.UserBatch, "users-batch"),
    api_path("users/{id}", doors.OneUser, "user"),
]

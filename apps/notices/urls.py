"""Routes of the app; it has no API."""

from django.urls import URLPattern, path

from apps.notices import views

BASE_PATH = "o/<slug:slug>/settings/integration/notices/"

pages = [
    path(BASE_PATH, views.notice_list, name="notices"),
    path(f"{BASE_PATH}<str:notice_id>/dismiss/", views.dismiss, name="notice_dismiss"),
]
api: list[URLPattern] = []

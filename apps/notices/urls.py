"""Routes of the app; it has no API."""

from django.urls import URLPattern, path

from apps.notices import views

HERE = "o/<slug:slug>/settings/integration/notices/"

pages = [
    path(HERE, views.notice_list, name="notices"),
    path(f"{HERE}<str:notice_id>/dismiss/", views.dismiss, name="notice_dismiss"),
]
api: list[URLPattern] = []

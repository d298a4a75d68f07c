"""Both doors of this app."""

from django.urls import path

from apps.base.api import api_path
from apps.orgs import api as doors
from apps.orgs import organization_views as organization
from apps.orgs import views

SETTINGS = "o/<slug:slug>/settings/organization/"

pages = [
    path("settings/integration/", views.landing, name="landing"),
    path("o/<slug:slug>/settings/organization/members/", views.members, name="members"),
    path(SETTINGS, organization.organization_settings, name="organization_settings"),
    path(SETTINGS + "general/", organization.organization_general, name="organization_general"),
    path(SETTINGS + "security/", organization.organization_security, name="organization_security"),
    path(SETTINGS + "retention/", organization.organization_retention, name="organization_retention"),
    path(SETTINGS + "mail/", organization.organization_mail, name="organization_mail"),
    path(SETTINGS + "export/", organization.organization_export, name="organization_export"),
    path(SETTINGS + "close/", organization.organization_close, name="organization_close"),
    path("account/mail/", organization.account_mail, name="account_mail"),
]
api = [
    api_path("users", doors.Users, "users"),
    api_path("users/batch", doors.UserBatch, "users-batch"),
    api_path("users/{id}", doors.OneUser, "user"),
]

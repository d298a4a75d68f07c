"""All routes. The API comes first, because it gets the most requests."""

from django.contrib import admin
from django.urls import include, path, re_path
from django.views.generic import RedirectView

from apps.api_keys import urls as api_keys
from apps.audit import urls as audit
from apps.base.rest.api_fast_path import ApiRoutes
from apps.base.rest.fallback_views import Root, UnknownPath
from apps.credentials import urls as credentials
from apps.notices import urls as notices
from apps.orgs import urls as orgs
from apps.sdk_keys import urls as sdk_keys
from apps.webhooks import urls as webhooks
from integrations_portal import health
from integrations_portal.api_docs import pages, rate_limits, reference, try_it
from integrations_portal.api_docs.collections import bruno, postman
from integrations_portal.api_docs.openapi import openapi, swagger
from integrations_portal.overview import overview

APPS = (orgs, api_keys, sdk_keys, credentials, webhooks, notices, audit)
api = [route for app in APPS for route in app.api]
documented = list(api)
# [\s\S] instead of a dot, because a path can contain line breaks.
unknown = re_path(r"^[\s\S]*$", UnknownPath.as_view(route="/v1/*"), name="api-unknown")
# The same routes for requests that bypass Django's URL resolver.
api_routes = ApiRoutes(api, unknown)
root = Root.as_view(route="/v1")
api += [re_path(r"^$", root, name="api-root"), unknown]

urlpatterns = [
    path("v1/", include(api)),
    re_path(r"^v1\Z", root),
    path("", RedirectView.as_view(pattern_name="landing"), name="home"),
    path("o/<slug:slug>/settings/integration/", overview, name="overview"),
    *(route for app in APPS for route in app.pages),
    path("openapi.json", openapi, {"routes": tuple(documented)}, name="openapi"),
    path("docs/postman.json", postman, {"routes": tuple(documented)}, name="postman_collection"),
    path("docs/bruno.zip", bruno, {"routes": tuple(documented)}, name="bruno_collection"),
    path("docs/", swagger, name="swagger"),
    path("docs/reference", reference.reference, {"routes": documented}, name="reference"),
    path("docs/try/<str:operation_id>", try_it.try_operation, {"routes": documented}, name="docs_try"),
    path("docs/start", pages.start, name="docs_start"),
    path("docs/errors", pages.errors, name="docs_errors"),
    path("docs/limits", rate_limits.rate_limits, name="docs_limits"),
    path("docs/webhooks", pages.webhooks, name="docs_webhooks"),
    path("docs/receivers/<str:file>", pages.receiver, name="docs_receiver"),
    path("docs/practices", pages.practices, name="docs_practices"),
    path("docs/changelog", pages.changes, name="docs_changelog"),
    path("healthz", health.alive, name="healthz"),
    path("readyz", health.ready, name="readyz"),
    path("metrics", health.metrics, name="metrics"),
    path("admin/", admin.site.urls),
]
handler400 = "integrations_portal.error_pages.bad_request"
handler403 = "integrations_portal.error_pages.forbidden"
handler404 = "integrations_portal.error_pages.not_found"
handler429 = "integrations_portal.error_pages.too_many_requests"
handler500 = "integrations_portal.error_pages.server_error"

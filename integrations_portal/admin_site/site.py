"""The operators' Django admin site, for the vendor's staff only."""

from collections.abc import Iterable
from typing import Any, cast

from allauth.account.adapter import get_adapter
from allauth.account.decorators import secure_admin_login
from allauth.account.utils import get_next_redirect_url
from django.contrib import messages
from django.contrib.admin import AdminSite
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import path, reverse
from django.utils.decorators import method_decorator
from django.utils.http import urlencode
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from apps.audit.operator_admin import newest_changes_of
from apps.base.error_codes import ERROR_CODES
from apps.base.requests import PortalRequest
from apps.base.web import operator_session
from apps.orgs.lookups import platform_pk
from integrations_portal.admin_site import jobs
from integrations_portal.admin_site.search import find_view

# Models without an admin page, and why. A test fails for a model that is neither here nor registered.
UNREGISTERED_MODELS = {
    "account.EmailAddress": "Shown on the person's page; the person changes it.",
    "account.EmailConfirmation": "Holds keys of links that are under way.",
    "admin.LogEntry": "Not written: the audit log has every change, once.",
    "audit.AuditExport": "A member's own export, with its page; the audit log says who took it.",
    "audit.Cut": "Written once by retention; the audit log has an entry of each.",
    "audit.ExportChunk": "Pieces of files, of the organization's own data.",
    "audit.KeptSince": "Notes of retention, for verify_audit.",
    "audit.Round": "Places of sweeps.",
    "audit.Unsealed": "The queue of the sealer, empty within a second.",
    "auth.Group": "There are no groups: an operator is one or is none.",
    "auth.Permission": "There are no single permissions of operators.",
    "base.SpentForm": "Digests of one-use tokens, gone after a day.",
    "contenttypes.ContentType": "Django's own list of models.",
    "mfa.Authenticator": "Holds second factors; the person's page names their kinds.",
    "orgs.ExternalIdentity": "Whose account at the identity provider is whose; the person sees it.",
    "sessions.Session": "Holds the keys of sessions.",
    "usersessions.UserSession": "Holds the keys of sessions; the person's page counts them.",
}
RECENT = 10


class OperatorSite(AdminSite):
    """Django's admin with the portal's sign-in and further pages. Customers are never ``is_staff``."""

    site_header = _("Integrations · Operators")
    site_title = _("Operators")
    index_title = _("Catalogue and organizations")
    enable_nav_sidebar = True

    def register(self, model_or_iterable: Any, admin_class: Any = None, **options: Any) -> None:
        """Skip the models of ``UNREGISTERED_MODELS``, which libraries register on their own."""
        models = model_or_iterable if isinstance(model_or_iterable, Iterable) else [model_or_iterable]
        ours = [model for model in models if model._meta.label not in UNREGISTERED_MODELS]
        super().register(ours, admin_class, **options)

    def has_permission(self, request: HttpRequest) -> bool:
        """Return whether the user is an active operator who has passed two-step verification in this session."""
        return operator_session.is_verified_operator(cast(PortalRequest, request))

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Send operators to the portal's sign-in page, then to two-step verification or its setup.

        Django's own sign-in page has neither two-step verification nor rate limits.
        """
        if request.user.is_authenticated and request.user.is_staff and not self.has_permission(request):
            return self._ask_for_second_step(cast(PortalRequest, request))
        response: HttpResponse = secure_admin_login(super().login)(request, extra_context)
        return response

    def _ask_for_second_step(self, request: PortalRequest) -> HttpResponse:
        if not operator_session.has_second_step(request):
            messages.info(request, _("Operators sign in in two steps. Set up the second one first."))
            return redirect("mfa_activate_totp")
        messages.info(
            request, _("Give a code of your authenticator app or a passkey: these pages ask for the second step.")
        )
        target = get_next_redirect_url(request) or reverse("admin:index")
        return redirect(f"{operator_session.reauthentication_path()}?{urlencode({'next': target})}")

    @method_decorator(require_POST)
    def logout(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Sign out like the portal's pages do."""
        get_adapter(request).logout(request)
        return redirect("account_login")

    def password_change(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Redirect to the portal's page for changing the password."""
        return redirect("account_change_password")

    def password_change_done(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Redirect to the same page, as Django's own flow is not used."""
        return redirect("account_change_password")

    def get_urls(self) -> list[Any]:
        """Add the pages that belong to no model before those of the models."""
        pages = {"find": self.find, "jobs": self.jobs}
        own = [path(f"{name}/", self.admin_view(view), name=name) for name, view in pages.items()]
        return [*own, *super().get_urls()]

    def find(self, request: HttpRequest) -> HttpResponse:
        """Search all models for an identifier."""
        return find_view(request, self.each_context(request))

    def meaning_of(self, code: str) -> str:
        """Return the meaning of an API error code and what to do, or nothing for an unknown code."""
        known = ERROR_CODES.get(code)
        return f"{known.text} {known.advice}".strip() if known else ""

    def jobs(self, request: HttpRequest) -> HttpResponse:
        """Show the workers' periodic jobs."""
        return jobs.page(request, self.each_context(request))

    def get_app_list(self, request: Any, app_label: str | None = None) -> list[Any]:
        """Add the page of periodic jobs after the models."""
        page = {"name": _("Periodic jobs"), "object_name": "Job", "perms": {"view": True}, "view_only": True,
                "admin_url": reverse("admin:jobs"), "add_url": None}  # fmt: skip
        work = {"name": _("Workers"), "app_label": "jobs", "app_url": page["admin_url"], "models": [page]}
        return [*super().get_app_list(request, app_label), *([] if app_label else [work])]

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """List the models and the newest entries of the platform organization's audit log."""
        changes = newest_changes_of(platform_pk(), RECENT)
        return super().index(request, {**(extra_context or {}), "newest_changes": changes})

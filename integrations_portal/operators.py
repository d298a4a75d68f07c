"""The operators' Django admin: its own site, for the vendor's staff only."""

from collections.abc import Iterable
from typing import Any

from allauth.account.decorators import secure_admin_login
from django.contrib import messages
from django.contrib.admin import AdminSite
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext_lazy as _

from apps.base import second_step

LIBRARIES = frozenset({"account", "auth", "mfa", "usersessions"})


class OperatorSite(AdminSite):
    """Stock Django admin in the portal's look. Customers are never ``is_staff``."""

    site_header = _("Integrations · Operators")
    site_title = _("Operators")
    index_title = _("Catalogue and organizations")
    enable_nav_sidebar = True

    def register(self, model_or_iterable: Any, admin_class: Any = None, **options: Any) -> None:
        """This will leave out what libraries bring: second factors, addresses and sessions are nobody's to edit."""
        models = model_or_iterable if isinstance(model_or_iterable, Iterable) else [model_or_iterable]
        ours = [model for model in models if model._meta.app_label not in LIBRARIES]
        super().register(ours, admin_class, **options)

    def has_permission(self, request: HttpRequest) -> bool:
        """This will let active operators in who have set up the second step."""
        return request.user.is_active and request.user.is_staff and second_step.is_on(request.user)

    def password_change(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """This will lead to the account's own page: Django's knows no limits and ends no other session."""
        return redirect("account_change_password")

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """This will send operators to the one sign-in page, and at their first sign-in to the set-up of two-step.

        Django's own sign-in page knows neither two-step nor limits.
        """
        if request.user.is_authenticated and request.user.is_staff and not second_step.is_on(request.user):
            messages.info(request, _("Operators sign in in two steps. Set up the second one first."))
            return redirect("mfa_activate_totp")
        return secure_admin_login(super().login)(request, extra_context)

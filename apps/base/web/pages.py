"""Access control of pages: sign-in, membership in the organization of the path, and the declared permissions."""

from collections.abc import Callable, Collection
from functools import wraps
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.http import HttpResponseBase
from django.urls import Resolver404, resolve
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.module_loading import import_string
from django.utils.translation import gettext as _

from apps.base.errors import Forbidden, Invalid, NotFound, PortalError
from apps.base.permissions import EXPORT_PERMISSIONS, Permission
from apps.base.requests import PortalRequest
from apps.base.text.redaction import hide_keys

Page = Callable[..., HttpResponseBase]

READ_METHODS = ("GET", "HEAD")
FORM_METHODS = ("GET", "HEAD", "POST")
POST_ONLY = ("POST",)
MAX_SHOWN_LENGTH = 60


def org_page(
    *permissions: Permission, nav: str = "", methods: tuple[str, ...] = READ_METHODS
) -> Callable[[Page], Page]:
    """Guard a page under ``/o/<slug>/``.

    ``permissions``: one of them is enough; none: every member has access. ``nav``: the current item of the side
    navigation. ``methods``: READ_METHODS, FORM_METHODS or POST_ONLY. Non-members get 404, members without permission
    403 with a reason, other methods 405. Pages of a suspended organization are read-only. Members who must set up
    two-step verification first are redirected.
    """
    for permission in permissions:
        if not isinstance(permission, Permission):
            raise TypeError(f"org_page takes permissions, not {permission!r}")

    def decorate(page: Page) -> Page:
        @wraps(page)
        def guarded(request: PortalRequest, slug: str, **values: Any) -> HttpResponseBase:
            if not request.user.is_authenticated:
                return redirect_to_login(request.get_full_path())
            redirection: HttpResponseBase | None = import_string(settings.PORTAL_ENTER_ORGANIZATION)(request, slug)
            if redirection is not None:
                return redirection
            request.nav = nav
            if permissions:
                request.actor.require(*permissions)
            check_method(request, methods)
            if request.method not in READ_METHODS and not EXPORT_PERMISSIONS.intersection(permissions):
                _refuse_suspended(request)
            response = page(request, **values)
            if request.actor.is_support_access and response.has_header("Content-Disposition"):
                raise Forbidden(_("An operator who looks takes no copy. A member can export this."))
            return response

        guarded.permissions = permissions  # type: ignore[attr-defined]  # a function takes any attribute
        guarded.methods = methods  # type: ignore[attr-defined]  # a function takes any attribute
        return guarded

    return decorate


def check_method(request: PortalRequest, methods: tuple[str, ...]) -> None:
    """Raise PortalError for other methods; NotFound or Invalid for NUL characters, which PostgreSQL refuses."""
    if request.method not in methods:
        message = _("This page does not take %(method)s.") % {"method": request.method}
        raise PortalError(message, "method_not_allowed", headers={"Allow": ", ".join(methods)})
    if "\0" in request.path_info:
        raise NotFound()
    if any("\0" in value for values in (*request.GET.lists(), *request.POST.lists()) for value in values[1]):
        raise Invalid(_("A text holds a NUL character. Remove it and try again."))


def _refuse_suspended(request: PortalRequest) -> None:
    if request.actor.suspended:
        raise Forbidden(request.actor.suspended, "organization_suspended")


def selected_filter(request: PortalRequest, name: str, choices: Collection[str]) -> str:
    """Return the value of a filter; an unknown value is ignored, with a message."""
    text = request.GET.get(name, "").strip()
    if not text or text in choices:
        return text
    # Part of a page that a script reloads cannot show messages.
    if "part" not in request.GET:
        words = {"filter": name, "text": hide_keys(text)[:MAX_SHOWN_LENGTH]}
        messages.warning(request, _("Filter ignored: %(filter)s can't be “%(text)s”.") % words)
    return ""


def safe_return_path(wanted: str, default: str, below: str = "/") -> str:
    """Return the path to redirect to after a form, if it is a page of the portal with GET, else ``default``.

    ``below``: the prefix that the path must have. URLs of other sites are never returned.
    """
    if not wanted.startswith(below) or not url_has_allowed_host_and_scheme(wanted, allowed_hosts=None):
        return default
    try:
        view = resolve(wanted.partition("?")[0].partition("#")[0]).func
    except Resolver404:
        return default
    return wanted if "GET" in getattr(view, "methods", READ_METHODS) else default

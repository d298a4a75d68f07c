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

    ``permissions``: any one of them opens the page (none given: every member). ``nav``: the item of the side
    navigation that is current. ``methods``: READING, FORM or BUTTON. A stranger gets 404, a member without the right
    403 with a reason, another method 405. Of a suspended organization no page changes anything; who must do something
    else first (set up two-step sign-in) is led there.
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
    """Return what a filter of the page is set to; a value that it does not have is named and counts as none."""
    text = request.GET.get(name, "").strip()
    if not text or text in choices:
        return text
    # What a page asks for again by itself has no place to say it.
    if "part" not in request.GET:
        words = {"filter": name, "text": hide_keys(text)[:MAX_SHOWN_LENGTH]}
        messages.warning(request, _("Filter ignored: %(filter)s can't be “%(text)s”.") % words)
    return ""


def safe_return_path(wanted: str, default: str, below: str = "/") -> str:
    """Return a path that a form asks to be led back to, where it is a page of ours that can be read.

    ``below``: the beginning that the path must have. Anything else, another site above all, becomes ``default``.
    """
    if not wanted.startswith(below) or not url_has_allowed_host_and_scheme(wanted, allowed_hosts=None):
        return default
    try:
        view = resolve(wanted.partition("?")[0].partition("#")[0]).func
    except Resolver404:
        return default
    return wanted if "GET" in getattr(view, "methods", READ_METHODS) else default

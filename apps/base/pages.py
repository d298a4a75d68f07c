"""The door of pages: signed in, a member of the organization in the path, allowed what the page declares."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.http import HttpResponse
from django.utils.module_loading import import_string

from apps.base.permissions import Permission
from apps.base.requests import PortalRequest

Page = Callable[..., HttpResponse]


def org_page(*permissions: Permission, change: Permission | None = None, nav: str = "") -> Callable[[Page], Page]:
    """This will guard a page under ``/o/<slug>/``.

    ``permissions``: any one of them opens the page (none given: every member). ``change``: needed for anything
    but GET. ``nav``: the item of the side navigation that is current. A stranger gets 404, a member without the
    right 403 with a reason.
    """
    for permission in (*permissions, *((change,) if change else ())):
        if not isinstance(permission, Permission):
            raise TypeError(f"org_page takes permissions, not {permission!r}")

    def decorate(page: Page) -> Page:
        @wraps(page)
        def guarded(request: PortalRequest, slug: str, **values: Any) -> HttpResponse:
            if not request.user.is_authenticated:
                return redirect_to_login(request.get_full_path())
            import_string(settings.PORTAL_ENTER_ORGANIZATION)(request, slug)
            request.nav = nav
            if permissions:
                request.actor.require(*permissions)
            if change is not None and request.method not in ("GET", "HEAD"):
                request.actor.require(change)
            return page(request, **values)

        guarded.permissions = permissions  # type: ignore[attr-defined]  # a function takes any attribute
        guarded.change = change  # type: ignore[attr-defined]
        return guarded

    return decorate

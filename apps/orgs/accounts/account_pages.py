"""The decorator of account pages: it requires a sign-in and, on sensitive pages, a recent confirmation."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from allauth.account.utils import get_next_redirect_url
from django.contrib.auth.views import redirect_to_login
from django.http import HttpResponseBase

from apps.base.requests import PortalRequest
from apps.base.web.forms import is_recently_confirmed, redirect_to_reauthentication
from apps.base.web.pages import READ_METHODS, check_method
from apps.orgs.accounts.account_actor import account_actor

Page = Callable[..., HttpResponseBase]


def account_page(*, methods: tuple[str, ...] = READ_METHODS, confirmed: bool = False) -> Callable[[Page], Page]:
    """Require a sign-in for a page of the user's own account and set ``request.actor`` to the user.

    ``confirmed``: require a confirmation of identity within the last 15 minutes, also for GET; otherwise redirect to
    the page that asks for it. The data of a form that was sent later is dropped, because it can contain a secret.
    """

    def decorate(page: Page) -> Page:
        @wraps(page)
        def wrapper(request: PortalRequest, **values: Any) -> HttpResponseBase:
            check_method(request, methods)
            if not request.user.is_authenticated:
                return redirect_to_login(request.get_full_path())
            request.actor = account_actor(request, request.user)
            if confirmed and not is_recently_confirmed(request):
                return redirect_to_reauthentication(request.get_full_path())
            return page(request, **values)

        wrapper.methods = methods  # type: ignore[attr-defined]  # a function takes any attribute
        wrapper.confirmed = confirmed  # type: ignore[attr-defined]  # a function takes any attribute
        return wrapper

    return decorate


def next_path(request: PortalRequest) -> str:
    """Return the ``next`` parameter if it is a path of this site, else an empty string."""
    return get_next_redirect_url(request) or ""

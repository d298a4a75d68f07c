"""Which browsers an account was signed in from before: each keeps that itself, in a cookie that nobody else can make.

Nothing is kept here, so nothing is to be pruned. Somebody who changes their password or signs out everywhere has all of
their browsers forgotten: one that a stranger brought in must not stay known.
"""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare, salted_hmac

from apps.orgs.models import User

COOKIE = "__Host-known" if settings.SESSION_COOKIE_SECURE else "known"
# What browsers keep a cookie for at most.
SECONDS = 400 * 24 * 3600
# Accounts that one browser knows; people share computers.
MAX_ACCOUNTS = 8
BETWEEN = "."


def is_known(request: HttpRequest, user: User) -> bool:
    """Tell whether the account was signed in from this browser since its sessions were last ended."""
    mark = _mark(user)
    return any(constant_time_compare(mark, each) for each in _marks(request))


def remember(request: HttpRequest, response: HttpResponse, user: User) -> None:
    """Have the browser know the account from now on, beside those that it knew last."""
    mark = _mark(user)
    marks = [mark, *(each for each in _marks(request) if each != mark)]
    response.set_cookie(
        COOKIE,
        BETWEEN.join(marks[:MAX_ACCOUNTS]),
        max_age=SECONDS,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )


def _marks(request: HttpRequest) -> list[str]:
    given = request.COOKIES.get(COOKIE, "")
    return [each for each in given.split(BETWEEN)[:MAX_ACCOUNTS] if each.isascii() and each.isalnum()]


def _mark(user: User) -> str:
    """A keyed digest: it names nobody to whoever reads the cookie."""
    return salted_hmac("orgs.browsers", f"{user.pk}:{user.session_epoch}", algorithm="sha256").hexdigest()

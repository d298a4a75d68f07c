"""Browsers that signed in to an account before, recognized by a keyed digest of the account in a cookie.

The server stores nothing, so nothing has to be deleted. A change of password or signing out everywhere makes all of the
account's browsers unknown again, because one of them can be an attacker's.
"""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare, salted_hmac

from apps.orgs.models import User

COOKIE = "__Host-known" if settings.SESSION_COOKIE_SECURE else "known"
# Browsers limit the lifetime of a cookie to 400 days.
MAX_AGE_SECONDS = 400 * 24 * 3600
# Accounts stored in one browser: users share computers.
MAX_ACCOUNTS = 8
SEPARATOR = "."


def is_known(request: HttpRequest, user: User) -> bool:
    """Return whether the browser signed in to the account since all of its sessions were last ended."""
    digest = _account_digest(user)
    return any(constant_time_compare(digest, each) for each in _cookie_digests(request))


def remember(request: HttpRequest, response: HttpResponse, user: User) -> None:
    """Add the account to the browser's cookie, before the accounts that it already contains."""
    digest = _account_digest(user)
    digests = [digest, *(each for each in _cookie_digests(request) if each != digest)]
    response.set_cookie(
        COOKIE,
        SEPARATOR.join(digests[:MAX_ACCOUNTS]),
        max_age=MAX_AGE_SECONDS,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )


def _cookie_digests(request: HttpRequest) -> list[str]:
    cookie = request.COOKIES.get(COOKIE, "")
    return [each for each in cookie.split(SEPARATOR)[:MAX_ACCOUNTS] if each.isascii() and each.isalnum()]


def _account_digest(user: User) -> str:
    """Return a keyed digest of the account, from which the account cannot be derived."""
    return salted_hmac("orgs.browsers", f"{user.pk}:{user.session_epoch}", algorithm="sha256").hexdigest()

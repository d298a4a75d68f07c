"""Middleware for the lifetime and last use of sessions; it also keeps account pages out of browser caches."""

import time
from collections.abc import Callable

from allauth.usersessions.models import UserSession
from django.contrib.auth import logout
from django.http import HttpResponse
from django.utils import timezone

from apps.base.requests import PortalRequest
from apps.orgs.accounts import known_browsers
from apps.orgs.accounts.device_names import stored_ip

# A session expires after 14 days without use (SESSION_COOKIE_AGE), and after 30 days in any case.
MAX_AGE_SECONDS = 30 * 24 * 3600
LAST_SEEN_INTERVAL = 300
STARTED_AT_KEY, LAST_SEEN_KEY = "began", "seen"
ACCOUNT_PREFIX = "/account/"
GetResponse = Callable[[PortalRequest], HttpResponse]


class SessionLifeMiddleware:
    """Ends sessions after 30 days, and updates their last use every five minutes, which extends them."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: PortalRequest) -> HttpResponse:
        if request.user.is_authenticated:
            self._check_age(request)
        response = self.get_response(request)
        if request.user.is_authenticated and not known_browsers.is_known(request, request.user):
            # A change of password makes all browsers unknown, also the one that stays signed in.
            known_browsers.remember(request, response, request.user)
        if request.path_info.startswith(ACCOUNT_PREFIX):
            response.setdefault("Cache-Control", "no-store, private")
        return response

    def _check_age(self, request: PortalRequest) -> None:
        now = time.time()
        started_at = request.session.setdefault(STARTED_AT_KEY, now)
        if now - started_at > MAX_AGE_SECONDS:
            UserSession.objects.filter(session_key=request.session.session_key).delete()
            logout(request)
        elif now - request.session.get(LAST_SEEN_KEY, 0) > LAST_SEEN_INTERVAL:
            request.session[LAST_SEEN_KEY] = now
            self._update_last_seen(request)

    def _update_last_seen(self, request: PortalRequest) -> None:
        """Update the session list: when and from where the session was last used."""
        longest = UserSession._meta.get_field("user_agent").max_length
        UserSession.objects.update_or_create(
            session_key=request.session.session_key,
            defaults={
                "user_id": request.user.pk,
                "ip": stored_ip(request.client_address),
                "user_agent": request.META.get("HTTP_USER_AGENT", "")[:longest],
                "last_seen_at": timezone.now(),
            },
        )

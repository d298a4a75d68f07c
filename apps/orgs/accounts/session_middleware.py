"""How long a session lives and when it was last seen; and that no browser keeps the account's pages."""

import time
from collections.abc import Callable

from allauth.usersessions.models import UserSession
from django.contrib.auth import logout
from django.http import HttpResponse
from django.utils import timezone

from apps.base.requests import PortalRequest
from apps.orgs.accounts import known_browsers
from apps.orgs.accounts.device_names import stored_address

# Fourteen days without use end a session (SESSION_COOKIE_AGE), and thirty days whatever its use.
MAX_AGE_SECONDS = 30 * 24 * 3600
SEEN_EVERY = 300
BEGAN, SEEN = "began", "seen"
ACCOUNT = "/account/"
GetResponse = Callable[[PortalRequest], HttpResponse]


class SessionLifeMiddleware:
    """Ends a session after thirty days, and notes every five minutes that it is used, which puts its end off."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: PortalRequest) -> HttpResponse:
        if request.user.is_authenticated:
            self._look_after(request)
        response = self.get_response(request)
        if request.user.is_authenticated and not known_browsers.is_known(request, request.user):
            # Whoever is signed in here when the password changes goes on in a browser that is known.
            known_browsers.remember(request, response, request.user)
        if request.path_info.startswith(ACCOUNT):
            response.setdefault("Cache-Control", "no-store, private")
        return response

    def _look_after(self, request: PortalRequest) -> None:
        now = time.time()
        began = request.session.setdefault(BEGAN, now)
        if now - began > MAX_AGE_SECONDS:
            UserSession.objects.filter(session_key=request.session.session_key).delete()
            logout(request)
        elif now - request.session.get(SEEN, 0) > SEEN_EVERY:
            request.session[SEEN] = now
            self._note(request)

    def _note(self, request: PortalRequest) -> None:
        """The list of sessions says from where each was used last."""
        longest = UserSession._meta.get_field("user_agent").max_length
        UserSession.objects.update_or_create(
            session_key=request.session.session_key,
            defaults={
                "user_id": request.user.pk,
                "ip": stored_address(request.client_address),
                "user_agent": request.META.get("HTTP_USER_AGENT", "")[:longest],
                "last_seen_at": timezone.now(),
            },
        )

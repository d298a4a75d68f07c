"""Single sign-on by OpenID Connect (docs/adr/0010)."""

import logging
import time
from dataclasses import replace
from typing import Any

from allauth.account.internal.flows.login import perform_login, record_authentication
from allauth.account.models import Login
from django.conf import settings
from django.contrib.auth import logout
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.crypto import constant_time_compare
from django.utils.translation import gettext as _

from apps.base.actor import system
from apps.base.errors import Forbidden, NotFound
from apps.base.requests import PortalRequest
from apps.base.web import form_limits, openid_connect, sessions, signed_cookies
from apps.base.web.pages import READING, check_method
from apps.orgs.accounts import failed_sign_ins
from apps.orgs.accounts.account_pages import next_path
from apps.orgs.accounts.confirm_identity import continue_to_next
from apps.orgs.accounts.sso import identities
from apps.orgs.accounts.sso.provider import provider, provider_name
from apps.orgs.models import ExternalIdentity

logger = logging.getLogger(__name__)

COOKIE = "single_sign_on"
# Browsers refuse cookies over 4 KB.
MAX_NEXT_LENGTH = 1500
TRIES = "30/m"


def sign_on(request: PortalRequest) -> HttpResponse:
    """Redirect to the provider; with ``?confirm=1`` it must authenticate the signed-in user again."""
    check_method(request, READING)
    chosen = _provider()
    form_limits.check(request, "single-sign-on", TRIES)
    confirming = request.user.is_authenticated and "confirm" in request.GET
    try:
        url, known = openid_connect.begin(chosen, _callback(), fresh=confirming)
    except openid_connect.OpenIdError as error:
        return _failed(request, error)
    answer, following = redirect(url), next_path(request)
    following = following if len(following) <= MAX_NEXT_LENGTH else ""
    signed_cookies.set_signed_cookie(
        answer, COOKIE, {**known, "at": time.time(), "next": following, "confirming": confirming}
    )
    return answer


def callback(request: PortalRequest) -> HttpResponse:
    """Handle the provider's redirect back to the portal."""
    check_method(request, READING)
    chosen = _provider()
    form_limits.check(request, "single-sign-on-callback", TRIES)
    answer = _go_on(request, chosen)
    signed_cookies.delete_signed_cookie(answer, COOKIE)
    return answer


def _go_on(request: PortalRequest, chosen: openid_connect.Provider) -> HttpResponse:
    known = signed_cookies.read_signed_cookie(request, COOKIE)
    state, code = request.GET.get("state", ""), request.GET.get("code", "")
    if not known or not constant_time_compare(state, known["state"]):
        # Any link can lead here: a request without the state of this browser is no sign-in and is not recorded.
        return _failed(
            request, openid_connect.OpenIdError("the answer belongs to no question that this browser was sent with")
        )
    try:
        if not code:
            raise openid_connect.OpenIdError("the provider sent no code")
        claims = openid_connect.finish(chosen, _callback(), known, code)
    except openid_connect.OpenIdError as error:
        return _refused(request, error)
    return _confirm(request, known, claims) if known["confirming"] else _sign_in(request, known, claims)


def _sign_in(request: PortalRequest, known: dict[str, Any], claims: dict[str, Any]) -> HttpResponse:
    actor = replace(system(label="Single sign-on"), address=request.client_address, request_id=request.request_id)
    try:
        user = identities.find_or_link_identity(
            actor=actor,
            issuer=claims["iss"],
            subject=claims["sub"],
            email=str(claims.get("email", "")),
            # Only JSON's true counts: some providers send the string "false".
            is_verified=claims.get("email_verified") is True,
        )
    except Forbidden as error:
        return _refused(request, error, str(error))
    if request.user.is_authenticated:
        logout(request)
    amr = claims.get("amr")
    record_authentication(request, user, "openid", mfa=isinstance(amr, list) and "mfa" in amr)
    answer = perform_login(request, Login(user=user, redirect_url=known["next"] or None))
    if not request.user.is_authenticated:
        sessions.rotate_session_key(request)
    return answer


def _confirm(request: PortalRequest, known: dict[str, Any], claims: dict[str, Any]) -> HttpResponse:
    """Check that the same user authenticated just now: a provider that ignores ``max_age`` proves nothing."""
    own = ExternalIdentity.objects.filter(user_id=request.user.pk, issuer=claims["iss"], subject=claims["sub"])
    asked_at = claims.get("auth_time")
    is_fresh = isinstance(asked_at, (int, float)) and asked_at >= known["at"] - openid_connect.SKEW
    if not request.user.is_authenticated or not own.exists() or not is_fresh:
        return _refused(request, openid_connect.OpenIdError("not the same person, or not asked just now"))
    sessions.record_confirmation(request, "openid")
    return redirect(known["next"]) if known["next"] else continue_to_next(request)


def _provider() -> openid_connect.Provider:
    found = provider()
    if found is None:
        raise NotFound()
    return found


def _callback() -> str:
    return settings.PUBLIC_URL + reverse("single_sign_on_callback")


def _refused(request: PortalRequest, error: Exception, message: str = "") -> HttpResponse:
    """Note the failed sign-in and show why it failed."""
    failed_sign_ins.note(
        request, failed_sign_ins.Step.SINGLE_SIGN_ON, request.user if request.user.is_authenticated else None
    )
    return _failed(request, error, message)


def _failed(request: PortalRequest, error: Exception, message: str = "") -> HttpResponse:
    logger.warning("single sign-on failed: %s", error)
    message = message or _("%(name)s did not confirm who you are. Try again, or sign in with your password.") % {
        "name": provider_name()
    }
    return render(request, "account/sign_on_failed.html", {"message": message}, status=403)

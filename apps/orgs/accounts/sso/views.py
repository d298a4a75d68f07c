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
from apps.base.web.pages import READ_METHODS, check_method
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
RATE_LIMIT = "30/m"


def sign_on(request: PortalRequest) -> HttpResponse:
    """Redirect to the provider; with ``?confirm=1`` it must authenticate the signed-in user again."""
    check_method(request, READ_METHODS)
    oidc_provider = _provider()
    form_limits.check(request, "single-sign-on", RATE_LIMIT)
    confirming = request.user.is_authenticated and "confirm" in request.GET
    try:
        url, login_state = openid_connect.begin_sign_in(oidc_provider, _callback(), fresh=confirming)
    except openid_connect.OpenIdError as error:
        return _render_failure(request, error)
    response, next_url = redirect(url), next_path(request)
    next_url = next_url if len(next_url) <= MAX_NEXT_LENGTH else ""
    signed_cookies.set_signed_cookie(
        response, COOKIE, {**login_state, "at": time.time(), "next": next_url, "confirming": confirming}
    )
    return response


def callback(request: PortalRequest) -> HttpResponse:
    """Handle the provider's redirect back to the portal."""
    check_method(request, READ_METHODS)
    oidc_provider = _provider()
    form_limits.check(request, "single-sign-on-callback", RATE_LIMIT)
    response = _complete_sign_on(request, oidc_provider)
    signed_cookies.delete_signed_cookie(response, COOKIE)
    return response


def _complete_sign_on(request: PortalRequest, oidc_provider: openid_connect.Provider) -> HttpResponse:
    login_state = signed_cookies.read_signed_cookie(request, COOKIE)
    state, code = request.GET.get("state", ""), request.GET.get("code", "")
    if not login_state or not constant_time_compare(state, login_state["state"]):
        # Any site can link to this URL: a request without the state of this browser is not recorded as a sign-in.
        return _render_failure(
            request, openid_connect.OpenIdError("the answer belongs to no question that this browser was sent with")
        )
    try:
        if not code:
            raise openid_connect.OpenIdError("the provider sent no code")
        claims = openid_connect.finish_sign_in(oidc_provider, _callback(), login_state, code)
    except openid_connect.OpenIdError as error:
        return _record_refusal(request, error)
    return (
        _confirm(request, login_state, claims) if login_state["confirming"] else _sign_in(request, login_state, claims)
    )


def _sign_in(request: PortalRequest, login_state: dict[str, Any], claims: dict[str, Any]) -> HttpResponse:
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
        return _record_refusal(request, error, str(error))
    if request.user.is_authenticated:
        logout(request)
    amr = claims.get("amr")
    record_authentication(request, user, "openid", mfa=isinstance(amr, list) and "mfa" in amr)
    response = perform_login(request, Login(user=user, redirect_url=login_state["next"] or None))
    if not request.user.is_authenticated:
        sessions.rotate_session_key(request)
    return response


def _confirm(request: PortalRequest, login_state: dict[str, Any], claims: dict[str, Any]) -> HttpResponse:
    """Check that the same user authenticated just now: a provider that ignores ``max_age`` proves nothing."""
    own = ExternalIdentity.objects.filter(user_id=request.user.pk, issuer=claims["iss"], subject=claims["sub"])
    authenticated_at = claims.get("auth_time")
    is_fresh = (
        isinstance(authenticated_at, (int, float))
        and authenticated_at >= login_state["at"] - openid_connect.CLOCK_SKEW_SECONDS
    )
    if not request.user.is_authenticated or not own.exists() or not is_fresh:
        return _record_refusal(request, openid_connect.OpenIdError("not the same person, or not asked just now"))
    sessions.record_confirmation(request, "openid")
    return redirect(login_state["next"]) if login_state["next"] else continue_to_next(request)


def _provider() -> openid_connect.Provider:
    found = provider()
    if found is None:
        raise NotFound()
    return found


def _callback() -> str:
    return settings.PUBLIC_URL + reverse("single_sign_on_callback")


def _record_refusal(request: PortalRequest, error: Exception, message: str = "") -> HttpResponse:
    """Record the failed sign-in and show why it failed."""
    failed_sign_ins.record_failure(
        request, failed_sign_ins.Step.SINGLE_SIGN_ON, request.user if request.user.is_authenticated else None
    )
    return _render_failure(request, error, message)


def _render_failure(request: PortalRequest, error: Exception, message: str = "") -> HttpResponse:
    logger.warning("single sign-on failed: %s", error)
    message = message or _("%(name)s did not confirm who you are. Try again, or sign in with your password.") % {
        "name": provider_name()
    }
    return render(request, "account/sign_on_failed.html", {"message": message}, status=403)

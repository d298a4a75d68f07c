"""Pages of sign-in, second step, passkeys and password reset. Rate limits are checked before anything else."""

import time
from typing import Any

from allauth.account.internal.stagekit import clear_login
from allauth.account.models import Login
from allauth.account.stages import LoginStageController
from allauth.account.utils import get_next_redirect_url
from allauth.account.views import LoginView, PasswordResetFromKeyView
from allauth.mfa.adapter import get_adapter
from allauth.mfa.base.views import AuthenticateView
from allauth.mfa.stages import AuthenticateStage
from allauth.mfa.webauthn.internal import auth, flows
from allauth.mfa.webauthn.views import LoginWebAuthnView
from django.contrib.auth.hashers import make_password
from django.db import transaction
from django.http import HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import redirect, render

from apps.base.errors import Busy, Conflict
from apps.base.requests import PortalRequest
from apps.base.text.email_validation import normalize_email
from apps.base.web import form_limits, second_step, sessions, signed_cookies
from apps.base.web.forms import AlreadySubmitted, consume, replace_errors
from apps.base.web.one_time_secrets import busy_response
from apps.base.web.pages import FORM_METHODS, check_method
from apps.orgs.accounts import actions, failed_sign_ins
from apps.orgs.accounts.account_actor import account_actor
from apps.orgs.accounts.forms import ResetForm
from apps.orgs.accounts.passkeys import passkeys_possible
from apps.orgs.accounts.sso.provider import provider_name
from apps.orgs.mail import outbox
from apps.orgs.models import User

# Limits per network (IPv6: per /64).
SIGN_IN_LIMIT, RESET_LIMIT, PASSKEY_LIMIT, CODE_LIMIT = "30/m", "20/m", "30/m", "30/m"
# Limits per email address, whether or not it has an account: of wrong passwords, and of all attempts.
FAILURE_LIMIT, ATTEMPT_LIMIT = "10/5m", "60/5m"
MAIL_LIMIT = "10/h"
# Minimum response time of a refused sign-in. It is longer than recording and mailing take for an existing account, so
# that the response time does not reveal whether there is one.
MIN_RESPONSE_SECONDS = 0.15
PASSKEY = "passkey"


class SignIn(LoginView):
    """The sign-in page. An unknown address and a wrong password get the same response in the same time."""

    request: PortalRequest

    def post(self, request: PortalRequest, *args: Any, **options: Any) -> HttpResponse:
        """Check the limits before the password."""
        self._started = time.monotonic()
        form_limits.check_without_counting(request, "sign-in-failures", FAILURE_LIMIT, per=self._limit_key)
        form_limits.check_all(
            request, ("sign-in", SIGN_IN_LIMIT, ""), ("sign-in-tries", ATTEMPT_LIMIT, self._limit_key)
        )
        try:
            response: HttpResponse = super().post(request, *args, **options)
            return response
        except Busy as error:
            form = self.get_form()  # type: ignore[no-untyped-call]  # allauth's
            replace_errors(form, error)
            return busy_response(self.render_to_response(self.get_context_data(form=form)))

    @property
    def _limit_key(self) -> str:
        return "account " + normalize_email(self.request.POST.get("login", ""))

    def form_valid(self, form: Any) -> HttpResponse:
        """Continue the sign-in; the session gets a new key before the second step too."""
        response = super().form_valid(form)
        if not self.request.user.is_authenticated:
            sessions.rotate_session_key(self.request)
        return response

    def form_invalid(self, form: Any) -> HttpResponse:
        """Count the failure."""
        form_limits.count_failure(self.request, "sign-in-failures", FAILURE_LIMIT, per=self._limit_key)
        if self.request.POST.get("login") and self.request.POST.get("password"):
            # The cleaned value, because PostgreSQL refuses characters that the form refuses, such as NUL.
            found = User.objects.find_by_address(form.cleaned_data.get("login", ""))
            # The log of an organization that created a provisional account must not reveal sign-ins elsewhere.
            failed_sign_ins.record_wrong_password(
                self.request, None if found is None or found.must_verify_address else found
            )
        time.sleep(max(0.0, self._started + MIN_RESPONSE_SECONDS - time.monotonic()))
        response: HttpResponse = super().form_invalid(form)
        return response

    def get_context_data(self, **options: Any) -> dict[str, Any]:
        """Add the methods that are available: passkeys need a host name, single sign-on its settings."""
        available = {"PASSKEY_LOGIN_ENABLED": passkeys_possible(), "provider_name": provider_name()}
        return super().get_context_data(**options) | available


class SecondStep(AuthenticateView):
    """The page that asks for a code or passkey after the password."""

    request: PortalRequest

    def dispatch(self, request: PortalRequest, *args: Any, **options: Any) -> HttpResponseBase:
        """Check the limit, and restart the sign-in if the account was removed meanwhile."""
        stage = LoginStageController.enter(request, AuthenticateStage.key)
        if request.method == "POST":
            if stage is not None and stage.login.user is not None and "code" in request.POST:
                second_step.check_not_blocked(stage.login.user)
            form_limits.check(request, "second-step", CODE_LIMIT)
        if stage is not None and (stage.login.user is None or not stage.login.user.is_active):
            clear_login(request)
        return super().dispatch(request, *args, **options)

    def form_invalid(self, form: Any) -> HttpResponse:
        """Record the failure."""
        user, code = self.stage.login.user, self.request.POST.get("code")
        if code:
            failed_sign_ins.record_wrong_code(self.request, user, code)
        elif code is None:
            failed_sign_ins.record_failure(self.request, failed_sign_ins.Step.PASSKEY, user)
        return super().form_invalid(form)


class PasskeySignIn(LoginWebAuthnView):
    """Sign-in by a passkey alone. GET returns the challenge to the script of the sign-in page, and stores nothing."""

    request: PortalRequest
    challenge: dict[str, Any] | None = None

    def get(self, request: PortalRequest, *args: Any, **options: Any) -> HttpResponse:
        """Return the challenge as JSON."""
        if "application/json" not in request.META.get("HTTP_ACCEPT", ""):
            return redirect("account_login")
        response = JsonResponse({"request_options": auth.begin_authentication(user=None)})
        signed_cookies.set_signed_cookie(response, PASSKEY, request.session.pop(auth.STATE_SESSION_KEY))
        return response

    def post(self, request: PortalRequest, *args: Any, **options: Any) -> HttpResponse:
        """Check the limit first."""
        form_limits.check(request, "passkey-sign-in", PASSKEY_LIMIT)
        self.challenge = signed_cookies.read_signed_cookie(request, PASSKEY)
        if self.challenge is not None:
            request.session[auth.STATE_SESSION_KEY] = self.challenge  # where allauth looks for it
        response = super().post(request, *args, **options)
        request.session.pop(auth.STATE_SESSION_KEY, None)
        signed_cookies.delete_signed_cookie(response, PASSKEY)
        return response

    def form_invalid(self, form: Any) -> HttpResponse:
        """Record the failure; the account is unknown."""
        failed_sign_ins.record_failure(self.request, failed_sign_ins.Step.PASSKEY)
        return super().form_invalid(form)

    def form_valid(self, form: Any) -> HttpResponse:
        """Sign in to the passkey's account, once for each challenge."""
        try:
            consume(f"passkey {self.challenge}")
        except AlreadySubmitted:
            form.add_error("credential", get_adapter().validation_error("incorrect_code"))
            return self.form_invalid(form)
        row = form.cleaned_data["credential"]
        login = Login(user=row.user, redirect_url=get_next_redirect_url(self.request))
        return flows.perform_passwordless_login(self.request, row, login)


def reset_password(request: PortalRequest) -> HttpResponse:
    """Request a link by mail. The account is looked up when the mail is sent, so the response does not reveal it."""
    check_method(request, FORM_METHODS)
    form = ResetForm(request.POST if request.method == "POST" else None)
    limits = [("reset", RESET_LIMIT, "")]
    if form.is_valid():
        email = form.cleaned_data["email"]
        limits.append(("reset-mails", MAIL_LIMIT, f"address {email}"))
    if request.method == "POST":
        form_limits.check_all(request, *limits)
    if form.is_valid():
        with transaction.atomic():
            outbox.enqueue_link(to=email, template="password_reset")
        return redirect("account_reset_password_done")
    return render(request, "account/password_reset.html", {"form": form})


class NewPassword(PasswordResetFromKeyView):
    """The page of the mailed link. Its token is moved from the URL to the session, under a new session key."""

    request: PortalRequest

    def dispatch(self, request: PortalRequest, *args: Any, **options: Any) -> HttpResponseBase:
        """Check the limit; renew the session key when the token moves to the session."""
        form_limits.check(request, "new-password", RESET_LIMIT)
        response = super().dispatch(request, *args, **options)
        if response.status_code == 302 and request.method == "GET":
            sessions.rotate_session_key(request)
        return response

    def form_valid(self, form: Any) -> HttpResponse:
        """Set the password, or show that the link was used meanwhile."""
        user, request = self.reset_user, self.request
        try:
            hashed = make_password(form.cleaned_data["password1"])
        except Busy as error:
            form.add_error(None, str(error))
            return busy_response(self.render_to_response(self.get_context_data(form=form)))
        try:
            actions.reset_password(actor=account_actor(request, user), password_hash=hashed, replaces=user.password)
        except Conflict:
            return self.render_to_response(self.get_context_data(token_fail=True))
        if request.user.is_authenticated:
            self.logout()
        return redirect(self.get_success_url())  # type: ignore[no-untyped-call]  # allauth's

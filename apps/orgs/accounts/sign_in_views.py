"""The way in: sign-in, its second step, passkeys, a new password by mail. Limits are kept before anything else."""

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
from apps.base.text.mail_addresses import canonical_address
from apps.base.web import form_limits, second_step, sessions, signed_cookies
from apps.base.web.forms import AlreadySent, consume, replace_errors
from apps.base.web.one_time_secrets import busy_response
from apps.base.web.pages import FORM
from apps.orgs.accounts import actions, failed_sign_ins
from apps.orgs.accounts.account_actor import account_actor
from apps.orgs.accounts.account_pages import check_method
from apps.orgs.accounts.forms import ResetForm
from apps.orgs.accounts.passkeys import passkeys_possible
from apps.orgs.accounts.sso.provider import provider_name
from apps.orgs.mail import outbox
from apps.orgs.models import User

# Of one network (IPv6: one /64).
SIGN_INS, RESETS, PASSKEYS, CODES = "30/m", "20/m", "30/m", "30/m"
# Of one account, whether there is one or not: wrong passwords, and tries of any kind, which bounds a burst.
FAILURES, TRIES = "10/5m", "60/5m"
MAILS = "10/h"
# What a refused sign-in takes at least: longer than what is recorded and mailed of an account that there is, so that
# time does not tell.
MIN_RESPONSE_SECONDS = 0.15
PASSKEY = "passkey"


class SignIn(LoginView):
    """Address and password. Unknown address and wrong password answer alike and take alike."""

    request: PortalRequest

    def post(self, request: PortalRequest, *args: Any, **options: Any) -> HttpResponse:
        """Keep the limits before a password is looked at."""
        self._started = time.monotonic()
        form_limits.check_failures(request, "sign-in-failures", FAILURES, per=self._account)
        form_limits.check_all(request, ("sign-in", SIGN_INS, ""), ("sign-in-tries", TRIES, self._account))
        try:
            answer: HttpResponse = super().post(request, *args, **options)
            return answer
        except Busy as error:
            form = self.get_form()  # type: ignore[no-untyped-call]  # allauth's
            replace_errors(form, error)
            return busy_response(self.render_to_response(self.get_context_data(form=form)))

    @property
    def _account(self) -> str:
        return "account " + canonical_address(self.request.POST.get("login", ""))

    def form_valid(self, form: Any) -> HttpResponse:
        """Go on; a half-open session gets a new key too, before the second step."""
        answer = super().form_valid(form)
        if not self.request.user.is_authenticated:
            sessions.rotate_session_key(self.request)
        return answer

    def form_invalid(self, form: Any) -> HttpResponse:
        """Count the failure."""
        form_limits.note_failure(self.request, "sign-in-failures", FAILURES, per=self._account)
        if self.request.POST.get("login") and self.request.POST.get("password"):
            # As the form read it: what it refused, such as a NUL, no database takes either.
            found = User.objects.with_address(form.cleaned_data.get("login", ""))
            # The log of an organization that made an account for somebody must not tell of one elsewhere.
            failed_sign_ins.note_wrong_password(self.request, None if found is None or found.waits_for_owner else found)
        time.sleep(max(0.0, self._started + MIN_RESPONSE_SECONDS - time.monotonic()))
        answer: HttpResponse = super().form_invalid(form)
        return answer

    def get_context_data(self, **options: Any) -> dict[str, Any]:
        """Offer what can work here: passkeys need a host name, single sign-on its settings."""
        offered = {"PASSKEY_LOGIN_ENABLED": passkeys_possible(), "provider_name": provider_name()}
        return super().get_context_data(**options) | offered


class SecondStep(AuthenticateView):
    """The code or key after the password."""

    request: PortalRequest

    def dispatch(self, request: PortalRequest, *args: Any, **options: Any) -> HttpResponseBase:
        """Keep the limit, and begin again where the account was removed meanwhile."""
        stage = LoginStageController.enter(request, AuthenticateStage.key)
        if request.method == "POST":
            if stage is not None and stage.login.user is not None and "code" in request.POST:
                second_step.check_not_blocked(stage.login.user)
            form_limits.check(request, "second-step", CODES)
        if stage is not None and (stage.login.user is None or not stage.login.user.is_active):
            clear_login(request)
        return super().dispatch(request, *args, **options)

    def form_invalid(self, form: Any) -> HttpResponse:
        """Note what was wrong."""
        user, code = self.stage.login.user, self.request.POST.get("code")
        if code:
            failed_sign_ins.note_wrong_code(self.request, user, code)
        elif code is None:
            failed_sign_ins.note(self.request, failed_sign_ins.Step.PASSKEY, user)
        return super().form_invalid(form)


class PasskeySignIn(LoginWebAuthnView):
    """A passkey alone. GET hands a script of the sign-in page what to ask the key, and stores nothing."""

    request: PortalRequest
    question: dict[str, Any] | None = None

    def get(self, request: PortalRequest, *args: Any, **options: Any) -> HttpResponse:
        """Return the question for the key as JSON."""
        if "application/json" not in request.META.get("HTTP_ACCEPT", ""):
            return redirect("account_login")
        answer = JsonResponse({"request_options": auth.begin_authentication(user=None)})
        signed_cookies.set_signed_cookie(answer, PASSKEY, request.session.pop(auth.STATE_SESSION_KEY))
        return answer

    def post(self, request: PortalRequest, *args: Any, **options: Any) -> HttpResponse:
        """Keep the limit first."""
        form_limits.check(request, "passkey-sign-in", PASSKEYS)
        self.question = signed_cookies.read_signed_cookie(request, PASSKEY)
        if self.question is not None:
            request.session[auth.STATE_SESSION_KEY] = self.question  # where allauth looks for it
        answer = super().post(request, *args, **options)
        request.session.pop(auth.STATE_SESSION_KEY, None)
        signed_cookies.delete_signed_cookie(answer, PASSKEY)
        return answer

    def form_invalid(self, form: Any) -> HttpResponse:
        """Note it; whose key it was meant to be is not known."""
        failed_sign_ins.note(self.request, failed_sign_ins.Step.PASSKEY)
        return super().form_invalid(form)

    def form_valid(self, form: Any) -> HttpResponse:
        """Open the session of the key's account, once for each question."""
        try:
            consume(f"passkey {self.question}")
        except AlreadySent:
            form.add_error("credential", get_adapter().validation_error("incorrect_code"))
            return self.form_invalid(form)
        row = form.cleaned_data["credential"]
        login = Login(user=row.user, redirect_url=get_next_redirect_url(self.request))
        return flows.perform_passwordless_login(self.request, row, login)


def reset_password(request: PortalRequest) -> HttpResponse:
    """Ask for a link by mail. Whether the address has an account is looked up when the mail is sent, not here."""
    check_method(request, FORM)
    form = ResetForm(request.POST if request.method == "POST" else None)
    limits = [("reset", RESETS, "")]
    if form.is_valid():
        email = form.cleaned_data["email"]
        limits.append(("reset-mails", MAILS, f"address {email}"))
    if request.method == "POST":
        form_limits.check_all(request, *limits)
    if form.is_valid():
        with transaction.atomic():
            outbox.enqueue_link(to=email, template="password_reset")
        return redirect("account_reset_password_done")
    return render(request, "account/password_reset.html", {"form": form})


class NewPassword(PasswordResetFromKeyView):
    """The mailed link. It is taken out of the address and into the session, under a new key."""

    request: PortalRequest

    def dispatch(self, request: PortalRequest, *args: Any, **options: Any) -> HttpResponseBase:
        """Keep the limit."""
        form_limits.check(request, "new-password", RESETS)
        answer = super().dispatch(request, *args, **options)
        if answer.status_code == 302 and request.method == "GET":
            sessions.rotate_session_key(request)
        return answer

    def form_valid(self, form: Any) -> HttpResponse:
        """Set the password; a link that was used meanwhile says so."""
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

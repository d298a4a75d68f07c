"""Pages that confirm the user's identity by password, code, passkey or single sign-on."""

from allauth.mfa.models import Authenticator
from allauth.mfa.webauthn.internal import auth
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render

from apps.base.requests import PortalRequest
from apps.base.web import form_limits, sessions
from apps.base.web.pages import FORM_METHODS, POST_ONLY
from apps.orgs.accounts.account_pages import account_page, next_path
from apps.orgs.accounts.failed_sign_ins import record_wrong_confirmation
from apps.orgs.accounts.forms import ConfirmForm, PasskeyConfirmForm
from apps.orgs.accounts.passkeys import passkeys_possible
from apps.orgs.accounts.sso.provider import provider_name
from apps.orgs.models import ExternalIdentity

RATE_LIMIT = "10/m"


@account_page(methods=FORM_METHODS)
def confirm(request: PortalRequest) -> HttpResponse:
    """Ask for a password or code, then redirect to ``next``; without ``next``, say that the window can be closed."""
    form = ConfirmForm(request.POST if request.method == "POST" else None, request=request)
    if form.is_valid():
        return continue_to_next(request)
    return _render_form(request, form)


@account_page(methods=POST_ONLY)
def confirm_by_passkey(request: PortalRequest) -> HttpResponse:
    """Confirm by a passkey; the challenge is part of the page of ``confirm``."""
    form_limits.check(request, "step-up-passkey", RATE_LIMIT)
    form = PasskeyConfirmForm(request.POST, user=request.user)
    if not form.is_valid():
        record_wrong_confirmation(request)
        for message in form.errors.get("credential", []):
            messages.error(request, str(message))
        return _render_form(request, ConfirmForm(None, request=request))
    row: Authenticator = form.cleaned_data["credential"]
    row.record_usage()
    sessions.record_confirmation(request, "mfa", id=row.pk, type=row.type)
    return continue_to_next(request)


def continue_to_next(request: PortalRequest) -> HttpResponse:
    """Redirect to ``next``, or show that the confirmation is done."""
    path = next_path(request)
    return redirect(path) if path else render(request, "account/confirmed.html")


def _render_form(request: PortalRequest, form: ConfirmForm) -> HttpResponse:
    user = request.user
    types = set(Authenticator.objects.filter(user=user).values_list("type", flat=True))
    context = {
        "form": form,
        "next": next_path(request),
        "can_type": user.has_usable_password() or bool(types - {Authenticator.Type.WEBAUTHN}),
        "provider_name": provider_name() if ExternalIdentity.objects.filter(user=user).exists() else "",
    }
    if Authenticator.Type.WEBAUTHN in types and passkeys_possible():
        context["passkey_form"] = PasskeyConfirmForm(user=user)
        context["js_data"] = {"request_options": auth.begin_authentication(user)}
    return render(request, "account/reauthenticate.html", context, status=422 if form.errors else 200)

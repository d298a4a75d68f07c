"""Pages of two-step sign-in: authenticator app, passkeys, recovery codes."""

from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from allauth.mfa.webauthn.internal import auth
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from apps.base.errors import Conflict, Forbidden
from apps.base.requests import PortalRequest
from apps.base.web import form_limits, second_step, sessions
from apps.base.web.forms import ReauthenticationForm
from apps.base.web.one_time_secrets import one_time_secret_response
from apps.base.web.pages import FORM_METHODS
from apps.orgs.accounts import email_addresses, two_step_actions
from apps.orgs.accounts.account_pages import account_page
from apps.orgs.accounts.forms import AddPasskeyForm, RenamePasskeyForm, TotpForm
from apps.orgs.accounts.passkeys import passkeys_possible

RATE_LIMIT = "10/m"


@account_page()
def index(request: PortalRequest) -> HttpResponse:
    """Show which second steps are set up."""
    rows = list(Authenticator.objects.filter(user=request.user))
    codes = next((row for row in rows if row.type == Authenticator.Type.RECOVERY_CODES), None)
    context = {
        "totp": any(row.type == Authenticator.Type.TOTP for row in rows),
        "passkeys": sum(row.type == Authenticator.Type.WEBAUTHN for row in rows),
        "codes_left": len(second_step.recovery_digests(codes)) if codes else None,
        "is_on": second_step.is_enabled(request.user),
        "passkeys_possible": passkeys_possible(),
        "is_unconfirmed": _is_unconfirmed(request),
    }
    return render(request, "mfa/index.html", context)


def _is_unconfirmed(request: PortalRequest) -> bool:
    user = request.user
    return user.password_is_provisional or not email_addresses.has_confirmed_address(user)


def _confirm_address_first(request: PortalRequest) -> HttpResponse:
    messages.error(request, _("Confirm your address first: this page sends the link."))
    return redirect("account_email")


def show_recovery_codes(request: PortalRequest, codes: list[str]) -> HttpResponse:
    """Show recovery codes once, in the response to the POST that created them."""
    return one_time_secret_response(
        request, "mfa/recovery_codes/reveal.html", {"codes": codes, "text": "\n".join(codes)}
    )


@account_page(methods=FORM_METHODS, confirmed=True)
def turn_on_totp(request: PortalRequest) -> HttpResponse:
    """Show the secret of a new authenticator app as QR code and text; add the app if the code is right."""
    if _is_unconfirmed(request):
        return _confirm_address_first(request)
    if Authenticator.objects.filter(user=request.user, type=Authenticator.Type.TOTP).exists():
        return redirect("mfa_index")
    if request.method == "POST":
        form_limits.check(request, "totp-setup", RATE_LIMIT)
    form = TotpForm(request.POST if request.method == "POST" else None, user=request.user)
    if form.is_valid():
        codes = two_step_actions.turn_on_totp(actor=request.actor, secret=form.secret, counter=form.counter)
        sessions.keep_signed_in(request, _reload_user(request))
        # The code also confirms the user's identity in this session.
        sessions.record_confirmation(request, "mfa")
        messages.success(request, _("Two-step sign-in is on."))
        return show_recovery_codes(request, codes) if codes else redirect("mfa_index")
    mfa = get_adapter()
    svg = mfa.build_totp_svg(mfa.build_totp_url(request.user, form.secret))
    # Not ``one_time_secret_response``: under its Referrer-Policy browsers send ``Origin: null``, which is refused.
    context = {"form": form, "totp_svg": svg}
    return render(request, "mfa/totp/activate_form.html", context)


def _reload_user(request: PortalRequest) -> object:
    request.user.refresh_from_db()
    return request.user


@account_page(methods=FORM_METHODS)
def turn_off_totp(request: PortalRequest) -> HttpResponse:
    """Remove the authenticator app."""
    if not Authenticator.objects.filter(user=request.user, type=Authenticator.Type.TOTP).exists():
        return redirect("mfa_index")
    form = ReauthenticationForm(request.POST if request.method == "POST" else None, request=request)
    if form.is_valid():
        sessions.keep_signed_in(request, two_step_actions.turn_off_totp(actor=request.actor))
        messages.success(request, _("The authenticator app is off. Other browsers are signed out."))
        return redirect("mfa_index")
    return render(request, "mfa/totp/deactivate_form.html", {"form": form}, status=422 if form.errors else 200)


@account_page(methods=FORM_METHODS)
def recovery_codes(request: PortalRequest) -> HttpResponse:
    """Create new recovery codes and show them once."""
    if not second_step.is_enabled(request.user):
        return redirect("mfa_index")
    form = ReauthenticationForm(request.POST if request.method == "POST" else None, request=request)
    if form.is_valid():
        return show_recovery_codes(request, two_step_actions.create_recovery_codes(actor=request.actor))
    row = Authenticator.objects.filter(user=request.user, type=Authenticator.Type.RECOVERY_CODES).first()
    context = {"form": form, "unused_code_count": len(second_step.recovery_digests(row)) if row else 0}
    return render(request, "mfa/recovery_codes/generate.html", context, status=422 if form.errors else 200)


@account_page()
def passkeys(request: PortalRequest) -> HttpResponse:
    """List the user's own passkeys."""
    rows = Authenticator.objects.filter(user=request.user, type=Authenticator.Type.WEBAUTHN).order_by("pk")
    context = {"authenticators": rows, "passkeys_possible": passkeys_possible()}
    return render(request, "mfa/webauthn/authenticator_list.html", context)


@account_page(methods=FORM_METHODS, confirmed=True)
def add_passkey(request: PortalRequest) -> HttpResponse:
    """Add a passkey, which needs JavaScript."""
    if _is_unconfirmed(request):
        return _confirm_address_first(request)
    if request.method == "POST":
        form_limits.check(request, "passkey-setup", RATE_LIMIT)
    form = AddPasskeyForm(request.POST if request.method == "POST" else None, user=request.user)
    if form.is_valid():
        try:
            codes = two_step_actions.add_passkey(
                actor=request.actor, name=form.cleaned_data["name"], credential=form.cleaned_data["credential"]
            )
        except (Conflict, Forbidden) as error:
            form.add_error(None, str(error))
        else:
            sessions.keep_signed_in(request, _reload_user(request))
            messages.success(request, _("The key is added."))
            return show_recovery_codes(request, codes) if codes else redirect("mfa_list_webauthn")
    context = {
        "form": form,
        "passkeys_possible": passkeys_possible(),
        "js_data": {"creation_options": auth.begin_registration(request.user, False)},
    }
    return render(request, "mfa/webauthn/add_form.html", context, status=422 if form.errors else 200)


@account_page(methods=FORM_METHODS, confirmed=True)
def rename_passkey(request: PortalRequest, pk: int) -> HttpResponse:
    """Rename a passkey."""
    row = two_step_actions.find_passkey(request.actor, pk)
    form = RenamePasskeyForm(request.POST if request.method == "POST" else None, initial={"name": str(row)})
    if form.is_valid():
        two_step_actions.rename_passkey(actor=request.actor, passkey_id=pk, name=form.cleaned_data["name"])
        return redirect("mfa_list_webauthn")
    context = {"form": form, "name": str(row)}
    return render(request, "mfa/webauthn/edit_form.html", context, status=422 if form.errors else 200)


@account_page(methods=FORM_METHODS)
def remove_passkey(request: PortalRequest, pk: int) -> HttpResponse:
    """Remove a passkey."""
    row = two_step_actions.find_passkey(request.actor, pk)
    form = ReauthenticationForm(request.POST if request.method == "POST" else None, request=request)
    if form.is_valid():
        user = two_step_actions.remove_passkey(actor=request.actor, passkey_id=pk)
        sessions.keep_signed_in(request, user)
        messages.success(request, _("“%(name)s” is removed. Other browsers are signed out.") % {"name": str(row)})
        return redirect("mfa_list_webauthn")
    context = {"form": form, "name": str(row)}
    return render(request, "mfa/webauthn/remove_form.html", context, status=422 if form.errors else 200)

"""Pages that change the user's own name, address and password."""

from allauth.account.models import EmailAddress, EmailConfirmationHMAC
from django.contrib import messages
from django.contrib.auth.hashers import make_password
from django.contrib.auth.views import redirect_to_login
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from apps.base.errors import Busy, Conflict
from apps.base.requests import PortalRequest
from apps.base.web import form_limits, sessions
from apps.base.web.one_time_secrets import busy_response
from apps.base.web.pages import FORM_METHODS, check_method
from apps.orgs.accounts import actions
from apps.orgs.accounts.account_actor import account_actor
from apps.orgs.accounts.account_pages import account_page
from apps.orgs.accounts.forms import AddressForm, ChangePasswordForm, NameForm, SetPasswordForm

MAIL_LIMIT = "10/h"


@account_page(methods=FORM_METHODS)
def profile(request: PortalRequest) -> HttpResponse:
    """Change the user's own name."""
    form = NameForm(request.POST if request.method == "POST" else None, initial={"name": request.user.name})
    if form.is_valid():
        actions.rename_account(actor=request.actor, name=form.cleaned_data["name"])
        messages.success(request, _("Your account is saved."))
        return redirect("account")
    return render(request, "account/profile.html", {"form": form}, status=422 if form.errors else 200)


@account_page(methods=FORM_METHODS)
def address(request: PortalRequest) -> HttpResponse:
    """Change the address of the account; a new one takes effect when its mailed link is opened."""
    post = request.POST if request.method == "POST" else None
    if post is not None and ("action_send" in post or "action_remove" in post):
        return _handle_unconfirmed(request)
    form = AddressForm(post, request=request)
    if form.is_valid():
        with transaction.atomic():
            if actions.request_address_change(actor=request.actor, email=form.cleaned_data["email"]):
                form_limits.check(request, "address-mails", MAIL_LIMIT)
        messages.info(
            request, _("A mail with a link is on its way to the new address. Until you open it the old one stays.")
        )
        return redirect("account_email")
    rows = EmailAddress.objects.filter(user=request.user)
    context = {
        "form": form,
        "current": request.user.email,
        "is_confirmed": rows.filter(email=request.user.email, verified=True).exists(),
        "waiting": rows.exclude(email=request.user.email).first(),
    }
    return render(request, "account/email_change.html", context, status=422 if form.errors else 200)


def _handle_unconfirmed(request: PortalRequest) -> HttpResponse:
    if "action_remove" in request.POST:
        actions.cancel_address_change(actor=request.actor)
    else:
        with transaction.atomic():
            if actions.send_confirmation(actor=request.actor):
                form_limits.check(request, "address-mails", MAIL_LIMIT)
        messages.info(request, _("The mail is on its way once more."))
    return redirect("account_email")


def confirm_address(request: PortalRequest, key: str) -> HttpResponse:
    """Confirm an address by its mailed link; for a new address, the user must be signed in to its account.

    Otherwise the owner of a mailbox could be tricked into confirming it for another user's account.
    """
    check_method(request, FORM_METHODS)
    form_limits.check(request, "confirm-address", "30/m")
    confirmation = EmailConfirmationHMAC.from_key(key)
    row = confirmation.email_address if confirmation else None
    if row is None:
        return render(request, "account/email_confirm.html", {"row": None})
    is_own = request.user.is_authenticated and request.user.pk == row.user_id
    if row.email != row.user.email and not is_own:
        if request.user.is_authenticated:
            return render(request, "account/email_confirm.html", {"row": row, "is_others": True})
        return redirect_to_login(request.get_full_path())
    if request.method == "POST":
        return _confirm(request, row, is_own)
    return render(request, "account/email_confirm.html", {"row": row})


def _confirm(request: PortalRequest, row: EmailAddress, is_own: bool) -> HttpResponse:
    try:
        user = actions.confirm_address(actor=account_actor(request, row.user), address_id=row.pk)
    except Conflict:
        return render(request, "account/email_confirm.html", {"row": None})
    messages.success(request, _("%(email)s is confirmed.") % {"email": row.email})
    if is_own and user.has_usable_password():
        sessions.keep_signed_in(request, user)
        return redirect("account_email")
    return render(request, "account/email_confirmed.html", {"has_password": user.has_usable_password()})


@account_page(methods=FORM_METHODS)
def password(request: PortalRequest) -> HttpResponse:
    """Change the password, or set a first one after another confirmation; other sessions end."""
    if request.user.password_is_provisional:
        messages.error(request, _("Confirm your address first: this page sends the link. Then you choose a password."))
        return redirect("account_email")
    form_class = ChangePasswordForm if request.user.has_usable_password() else SetPasswordForm
    form = form_class(request.POST if request.method == "POST" else None, request=request)
    if form.is_valid():
        try:
            hashed = make_password(form.cleaned_data["password1"])
        except Busy as error:
            form.add_error(None, str(error))
            return busy_response(render(request, "account/password_change.html", {"form": form}))
        sessions.keep_signed_in(request, actions.change_password(actor=request.actor, password_hash=hashed))
        messages.success(request, _("Your password is changed. Other browsers are signed out."))
        return redirect("account_change_password")
    return render(request, "account/password_change.html", {"form": form}, status=422 if form.errors else 200)

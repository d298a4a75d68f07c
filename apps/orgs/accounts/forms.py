"""Forms of sign-in and of the user's own account."""

import json
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from allauth.account.fields import PasswordField, SetPasswordField
from allauth.account.forms import LoginForm
from allauth.mfa.base.forms import AuthenticateForm
from allauth.mfa.totp.internal.auth import generate_totp_secret
from allauth.mfa.webauthn.forms import (
    AddWebAuthnForm,
    AuthenticateWebAuthnForm,
    LoginWebAuthnForm,
    ReauthenticateWebAuthnForm,
)
from django import forms
from django.conf import settings
from django.core import signing
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _
from fido2.utils import websafe_decode

from apps.base.errors import RateLimited
from apps.base.requests import PortalRequest
from apps.base.web import form_limits, second_step
from apps.base.web.forms import EmailAddressField, PlainTextField, ReauthenticationForm, RequestForm, confirm_identity
from apps.orgs.accounts.failed_sign_ins import record_wrong_confirmation
from apps.orgs.models import User

SETUP_SALT = "portal.totp-setup"
SETUP_SECONDS = 3600
PASSKEY_REJECTED = _("That key did not open the account. Try again.")


# Signing in


class SignInForm(LoginForm):
    """Address and password."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["login"] = EmailAddressField(label=_("E-mail address"), allows_legacy=True)


class CodeForm(AuthenticateForm):
    """The second step by a code, which works once; five wrong guesses block it."""

    code = forms.CharField(
        label=_("Code"),
        max_length=20,
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "autofocus": True, "spellcheck": "false"}),
    )

    def clean_code(self) -> str:
        """Consume the code."""
        used = second_step.use_code(self.user, self.cleaned_data["code"])
        if used is None:
            raise forms.ValidationError(_("That code is wrong, or it was used already. Wait for the next one."))
        used.user = self.user
        self.authenticator = used
        return str(self.cleaned_data["code"])


class ResetForm(forms.Form):
    """The address to send a link for a new password to."""

    email = EmailAddressField(label=_("E-mail address"), allows_legacy=True)


class ConfirmForm(RequestForm):
    """Confirmation of identity by the password or a code of the authenticator app."""

    password = forms.CharField(
        label=_("Your password, or a code of your authenticator app"),
        strip=False,
        max_length=128,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password", "autofocus": True}),
    )

    def clean_password(self) -> str:
        """Check the password or code and store the confirmation in the session."""
        confirm_identity(self.request, self.cleaned_data["password"])
        return ""


# Passkeys


@contextmanager
def _reject_malformed() -> Iterator[None]:
    """Turn the errors of the three libraries that parse a browser's response into a ValidationError."""
    try:
        yield
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, struct.error) as error:
        raise forms.ValidationError(PASSKEY_REJECTED) from error


def check_origin(credential: Any) -> None:
    """Raise ValidationError for a response to another origin (Web Authentication section 7.2, step 13).

    fido2 accepts any subdomain of the portal's host, and any origin at all if http is allowed.
    """
    public = urlsplit(settings.PUBLIC_URL)
    client_data = json.loads(websafe_decode(credential["response"]["clientDataJSON"]))
    if client_data["origin"] != f"{public.scheme}://{public.netloc}".lower() or client_data.get("crossOrigin"):
        raise forms.ValidationError(PASSKEY_REJECTED)


class _OriginCheckMixin:
    """Checks the origin of a passkey's response before the rest of it."""

    cleaned_data: dict[str, Any]

    def clean_credential(self) -> Any:
        """Return the credential that allauth verified."""
        with _reject_malformed():
            check_origin(self.cleaned_data["credential"])
            return super().clean_credential()  # type: ignore[misc]  # of the form that this class is mixed into


class PasskeyStepForm(_OriginCheckMixin, AuthenticateWebAuthnForm):
    """The second step by a passkey."""


class PasskeySignInForm(_OriginCheckMixin, LoginWebAuthnForm):
    """Sign-in by a passkey alone."""


class PasskeyConfirmForm(_OriginCheckMixin, ReauthenticateWebAuthnForm):
    """Confirmation of identity by a passkey."""


class AddPasskeyForm(AddWebAuthnForm):
    """A new passkey: its response and a name."""

    name = PlainTextField(label=_("Name"), max_length=60, required=False)
    passwordless = forms.BooleanField(
        label=_("Sign in with it alone"),
        required=False,
        initial=True,
        help_text=_(
            "The key then asks for your finger, face or PIN. Leave it out for a key that is only a second step."
        ),
    )

    def clean(self) -> dict[str, Any]:
        """Check the origin, then the response."""
        if not self.cleaned_data.get("credential"):
            return self.cleaned_data
        with _reject_malformed():
            check_origin(self.cleaned_data["credential"])
            return super().clean()


class RenamePasskeyForm(forms.Form):
    """The name of a passkey."""

    name = PlainTextField(label=_("Name"), max_length=60)


# The user's own account


class NameForm(forms.Form):
    """The name of a user."""

    name = PlainTextField(label=_("Name"), max_length=150, widget=forms.TextInput(attrs={"autocomplete": "name"}))


class AddressForm(ReauthenticationForm):
    """A new address for the account."""

    email = EmailAddressField(label=_("New e-mail address"))


class _NewPasswordForm(RequestForm):
    """A new password, twice."""

    password1 = SetPasswordField(label=_("New password"))
    password2 = PasswordField(label=_("New password, once more"), autocomplete="new-password")

    def __init__(self, *args: Any, request: PortalRequest, **options: Any) -> None:
        super().__init__(*args, request=request, **options)
        self.fields["password1"].user = request.user  # type: ignore[attr-defined]  # allauth's field asks for it

    def clean(self) -> dict[str, Any]:
        """Check that both passwords are the same."""
        super().clean()
        first, second = self.cleaned_data.get("password1"), self.cleaned_data.get("password2")
        if first and second is not None and first != second:
            self.add_error("password2", _("The two passwords differ. Type the same one twice."))
        return self.cleaned_data


class ChangePasswordForm(_NewPasswordForm):
    """A new password, after the old one."""

    oldpassword = PasswordField(label=_("Password now"), autocomplete="current-password")
    field_order = ("oldpassword", "password1", "password2")

    def clean_oldpassword(self) -> str:
        """Check the old password, at most ten times a minute."""
        try:
            form_limits.check(self.request, "step-up", "10/m")
            is_right = self.request.user.check_password(self.cleaned_data["oldpassword"])
        except RateLimited as error:
            raise forms.ValidationError(str(error)) from None
        if not is_right:
            record_wrong_confirmation(self.request)
            raise forms.ValidationError(_("That is not your password now."))
        return ""


class SetPasswordForm(ReauthenticationForm, _NewPasswordForm):
    """A first password for a user who signs in by a passkey or single sign-on."""


class TotpForm(forms.Form):
    """The code that confirms an authenticator app. Its secret is in the page, signed, and not stored."""

    data: QueryDict  # always from a request, never a plain mapping
    setup = forms.CharField(widget=forms.HiddenInput, max_length=300)
    code = forms.CharField(
        label=_("Code"),
        max_length=20,
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "inputmode": "numeric", "spellcheck": "false"}),
    )

    def __init__(self, *args: Any, user: User, **options: Any) -> None:
        super().__init__(*args, **options)
        self.user = user
        self.secret = self._submitted_secret() or generate_totp_secret()
        self.counter = 0
        self.initial["setup"] = signing.dumps([self.secret, str(user.pk)], salt=SETUP_SALT)

    def _submitted_secret(self) -> str:
        try:
            secret, owner = signing.loads(self.data.get("setup", ""), salt=SETUP_SALT, max_age=SETUP_SECONDS)
        except (signing.BadSignature, ValueError):
            return ""
        return str(secret) if owner == str(self.user.pk) else ""

    def clean_setup(self) -> str:
        """Refuse a page that was open for more than an hour; the new page has a new secret."""
        if not self._submitted_secret():
            self.data = self.data.copy()
            self.data["setup"] = self.initial["setup"]
            raise forms.ValidationError(_("This page was open for too long. Scan the new picture."))
        return ""

    def clean_code(self) -> str:
        """Find the time step of the code."""
        counter = second_step.matching_counter(self.secret, self.cleaned_data["code"].replace(" ", ""))
        if counter is None:
            raise forms.ValidationError(
                _("That code is wrong. Is the clock of your phone right? Wait for the next one.")
            )
        self.counter = counter
        return ""

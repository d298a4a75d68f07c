"""Base classes of forms: single use, and a recent confirmation of identity."""

import hashlib
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from allauth.account.internal.flows.login import get_authentication_records
from allauth.mfa.models import Authenticator
from django import forms
from django.conf import settings
from django.core import signing
from django.core.validators import validate_email
from django.db import IntegrityError, transaction
from django.forms.utils import ErrorDict
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.datastructures import MultiValueDict
from django.utils.translation import gettext_lazy as _

from apps.base.errors import Message, PortalError, RateLimited
from apps.base.models import SpentForm
from apps.base.requests import PortalRequest
from apps.base.rest.request_identity import resolve_hook
from apps.base.text.email_validation import MAX_ADDRESS_LENGTH, normalize_email, validate_email_address
from apps.base.text.validation import validate_plain_text
from apps.base.web import form_limits, second_step, sessions

TOKEN_SALT = "portal.form-token"  # noqa: S105  a salt is no secret
TOKEN_SECONDS = 24 * 3600
DELETE_BATCH_SIZE = 500


class AlreadySubmitted(Exception):
    """The same form was submitted twice: a double click, or a reload of the response."""


def is_recently_confirmed(request: PortalRequest) -> bool:
    """Return whether the user signed in or confirmed their identity within the last 15 minutes."""
    records = get_authentication_records(request, request.user)
    return bool(records) and time.time() - records[-1]["at"] < settings.ACCOUNT_REAUTHENTICATION_TIMEOUT


def redirect_to_reauthentication(path: str) -> HttpResponse:
    """Redirect to the reauthentication page, and from there to a path. Submitted values are discarded."""
    return redirect(f"{reverse('account_reauthenticate')}?{urlencode({'next': path})}")


def signed_in_since(request: PortalRequest, moment: datetime) -> bool:
    """Return whether the user's session began after a time."""
    records = get_authentication_records(request, request.user)
    return bool(records) and records[0]["at"] > moment.timestamp()


def form_token(request: PortalRequest, path: str) -> str:
    """Return a token for one submission of the form at a path, by this user."""
    return signing.dumps([secrets.token_hex(16), str(request.user.pk), path], salt=TOKEN_SALT)


def number_field(label: Any, most: int, help_text: Any) -> forms.IntegerField:
    """Return an optional field for a number from 1 to ``most``."""
    return forms.IntegerField(label=label, required=False, min_value=1, max_value=most, help_text=help_text)


class PlainTextField(forms.CharField):
    """A one-line text that is stored and shown, without invisible characters or secrets."""

    def __init__(self, *, validators: Sequence[Callable[[str], None]] = (), **options: Any) -> None:
        super().__init__(validators=[validate_plain_text, *validators], **options)


class EmailAddressField(forms.CharField):
    """An email address, cleaned to its canonical spelling.

    The input is not of the type ``email``, in which Chromium changes ``straße.example`` to ``strasse.example``, which
    is another domain. ``allows_legacy``: also accept addresses that older accounts can have, but no new one.
    """

    def __init__(self, *, autocomplete: str = "email", allows_legacy: bool = False, **options: Any) -> None:
        hints = {"inputmode": "email", "autocapitalize": "none", "spellcheck": "false", "autocomplete": autocomplete}
        check = validate_email if allows_legacy else validate_email_address
        super().__init__(
            max_length=MAX_ADDRESS_LENGTH, validators=[check], widget=forms.TextInput(attrs=hints), **options
        )

    def to_python(self, value: Any) -> str:
        """Return the canonical spelling."""
        return normalize_email(super().to_python(value) or "")


class RequestForm(forms.Form):
    """A form with access to its request."""

    def __init__(self, *args: Any, request: PortalRequest, **options: Any) -> None:
        super().__init__(*args, **options)
        self.request = request


class OneUseForm(RequestForm):
    """A form that can be submitted once; its token is consumed in the transaction of the change."""

    data: MultiValueDict[str, Any]  # what a page submits, never a plain mapping
    token = forms.CharField(widget=forms.HiddenInput)

    def __init__(self, *args: Any, request: PortalRequest, **options: Any) -> None:
        super().__init__(*args, request=request, **options)
        self.fields["token"].initial = self.new_token()

    def new_token(self) -> str:
        """Return a token for this user and page."""
        return form_token(self.request, self.request.path)

    def clean_token(self) -> str:
        """Refuse a token of another page or user, or an expired one."""
        try:
            _random, user, path = signing.loads(self.cleaned_data["token"], salt=TOKEN_SALT, max_age=TOKEN_SECONDS)
        except (signing.BadSignature, ValueError):
            user = path = None
        if (user, path) != (str(self.request.user.pk), self.request.path):
            self.data = self.data.copy()
            self.data["token"] = self.new_token()
            raise forms.ValidationError(_("This form was open for too long. Send it once more."))
        return str(self.cleaned_data["token"])

    def consume_token(self) -> None:
        """Consume the form's token, or raise AlreadySubmitted. Call it inside the transaction of the change."""
        consume(self.cleaned_data["token"])


def consume(token: str) -> None:
    """Consume a single-use token, or raise AlreadySubmitted."""
    try:
        with transaction.atomic():
            SpentForm(token=hashlib.sha256(token.encode()).hexdigest()).save(force_insert=True)
    except IntegrityError:
        raise AlreadySubmitted from None


# The periodic job base.delete_used_form_tokens (apps.py).
def delete_used_form_tokens() -> int:
    """Delete a batch of used tokens that have expired."""
    old = SpentForm.objects.filter(at__lt=timezone.now() - timedelta(seconds=TOKEN_SECONDS))
    return SpentForm.objects.filter(pk__in=list(old.values_list("pk", flat=True)[:DELETE_BATCH_SIZE])).delete()[0]


def confirm_identity(request: PortalRequest, password_or_code: str) -> None:
    """Check a password or code and record the confirmation, or raise ValidationError."""
    try:
        form_limits.check(request, "step-up", "10/m")
        method = _confirmation_method(request, password_or_code)
    except RateLimited as error:
        raise forms.ValidationError(str(error)) from None
    if not method:
        resolve_hook(settings.PORTAL_WRONG_CONFIRMATION)(request)
        raise forms.ValidationError(_("That is not your password, nor a current code."))
    sessions.record_confirmation(request, method)


def _confirmation_method(request: PortalRequest, password_or_code: str) -> str:
    """Return how a text confirms the user: ``password``, ``mfa``, or an empty string."""
    if request.user.check_password(password_or_code):
        return "password"
    return (
        "mfa"
        if second_step.looks_like_code(password_or_code) and second_step.use_code(request.user, password_or_code)
        else ""
    )


class PasswordOrCodeInput(forms.PasswordInput):
    """An input for a password or code; optional in the browser, as it can be confirmed in another window."""

    def use_required_attribute(self, initial: Any) -> bool:
        """Leave ``required`` to the server."""
        return False


class ReauthenticationForm(RequestForm):
    """A form that asks for the password, or a code of the authenticator app, 15 minutes after the last confirmation.

    The input is part of the form, so that typed values are kept without storing them in the session. Users with
    neither (passkey or single sign-on only) confirm in another window, then submit the form again.
    """

    def __init__(self, *args: Any, request: PortalRequest, **options: Any) -> None:
        super().__init__(*args, request=request, **options)
        self.step_up_required = not is_recently_confirmed(request)
        if self.step_up_required:
            self.fields["confirm_password"] = forms.CharField(
                label=_("Your password, or a code of your authenticator app"),
                strip=False,
                max_length=128,
                error_messages={"required": _("Confirm that it is you: here, or in another window.")},
                widget=PasswordOrCodeInput(attrs={"autocomplete": "current-password"}),
            )

    @property
    def can_confirm_in_form(self) -> bool:
        """Whether the user has a password or an authenticator app; others must confirm in another window."""
        user = self.request.user
        return user.has_usable_password() or Authenticator.objects.filter(user=user, type="totp").exists()

    def _post_clean(self) -> None:
        super()._post_clean()  # type: ignore[misc]  # missing in Django's stubs
        if "confirm_password" in self.cleaned_data:
            # The confirmation is valid even where other fields are not: the page does not ask again.
            del self.fields["confirm_password"]
            self.step_up_required = False

    def clean_confirm_password(self) -> str:
        """Check the password or code and record the confirmation in the session."""
        confirm_identity(self.request, self.cleaned_data["confirm_password"])
        return ""


class StepUpForm(ReauthenticationForm, OneUseForm):
    """A form that can be submitted once and requires a confirmation of identity within the last 15 minutes."""


def replace_errors(form: forms.Form, error: PortalError) -> None:
    """Show an error in a form that was not validated; typed values are kept."""
    form._errors, form.cleaned_data = ErrorDict(), {}  # type: ignore[attr-defined]  # as after validation
    form.add_error(None, str(error))


def add_action_errors(form: forms.Form, error: PortalError, names: Mapping[str, str] | None = None) -> None:
    """Add an action's error messages to the form's fields; ``names`` maps names of the action to those of the form."""
    messages_by_field: Mapping[str, Sequence[Message]] = error.fields or {"": [error.message]}
    for name, texts in messages_by_field.items():
        field = (names or {}).get(name, name)
        form.add_error(field if field in form.fields else None, [str(text) for text in texts])

"""Pieces of forms that make, show or end a secret: one use each, and a recent confirmation of who is there."""

import hashlib
import secrets
import time
from datetime import datetime, timedelta
from typing import Any

from allauth.account.internal.flows.login import get_authentication_records
from allauth.account.internal.flows.reauthentication import reauthenticate_by_password
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP
from django import forms
from django.conf import settings
from django.core import signing
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.datastructures import MultiValueDict
from django.utils.translation import gettext_lazy as _

from apps.base import form_limits
from apps.base.errors import RateLimited
from apps.base.models import SpentForm
from apps.base.requests import PortalRequest

TOKEN_SALT = "portal.form-token"  # noqa: S105  a salt is no secret
TOKEN_SECONDS = 24 * 3600
FORGOTTEN_AT_ONCE = 500


class AlreadySent(Exception):
    """The same form came twice: a double click, or a reload of the answer that showed a secret."""


def confirmed_recently(request: PortalRequest) -> bool:
    """This will tell whether the person signed in or confirmed it within the last 15 minutes."""
    records = get_authentication_records(request, request.user)
    return bool(records) and time.time() - records[-1]["at"] < settings.ACCOUNT_REAUTHENTICATION_TIMEOUT


def signed_in_since(request: PortalRequest, moment: datetime) -> bool:
    """This will tell whether the person's session began after a moment."""
    records = get_authentication_records(request, request.user)
    return bool(records) and records[0]["at"] > moment.timestamp()


def form_token(request: PortalRequest, path: str) -> str:
    """This will return a token for one send of the form at a path, by this person."""
    return signing.dumps([secrets.token_hex(16), str(request.user.pk), path], salt=TOKEN_SALT)


class OneUseForm(forms.Form):
    """A form that can be sent once; its token is spent in the transaction of the change."""

    data: MultiValueDict[str, Any]  # of a page, so never a plain mapping
    token = forms.CharField(widget=forms.HiddenInput)

    def __init__(self, *args: Any, request: PortalRequest, **options: Any) -> None:
        super().__init__(*args, **options)
        self.request = request
        self.fields["token"].initial = self.new_token()

    def new_token(self) -> str:
        """This will return a token for this person and this page."""
        return form_token(self.request, self.request.path)

    def clean_token(self) -> str:
        """This will refuse a token of another page, person, or day."""
        try:
            _random, user, path = signing.loads(self.cleaned_data["token"], salt=TOKEN_SALT, max_age=TOKEN_SECONDS)
        except (signing.BadSignature, ValueError):
            user = path = None
        if (user, path) != (str(self.request.user.pk), self.request.path):
            self.data = self.data.copy()
            self.data["token"] = self.new_token()
            raise forms.ValidationError(_("This form was open for too long. Send it once more."))
        return self.cleaned_data["token"]

    def spend(self) -> None:
        """This will use the form up, or raise AlreadySent. Call it inside the transaction of the change."""
        digest = hashlib.sha256(self.cleaned_data["token"].encode()).hexdigest()
        try:
            with transaction.atomic():
                SpentForm(token=digest).save(force_insert=True)
        except IntegrityError:
            raise AlreadySent from None


def forget_spent_forms() -> int:
    """This will remove what was spent longer ago than a token lives, some at a time; the sweep of every worker."""
    old = SpentForm.objects.filter(at__lt=timezone.now() - timedelta(seconds=TOKEN_SECONDS))
    return SpentForm.objects.filter(pk__in=list(old.values_list("pk", flat=True)[:FORGOTTEN_AT_ONCE])).delete()[0]


class StepUpForm(OneUseForm):
    """A form that asks for the password (or a code of the authenticator app) where that is older than 15 minutes.

    The question stands in the form itself, so typed values survive it and nothing is put aside in the session.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.step_up_required = not confirmed_recently(self.request)
        if self.step_up_required:
            self.fields["confirm_password"] = forms.CharField(
                label=_("Your password, or a code of your authenticator app"),
                strip=False,
                widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
            )

    def _post_clean(self) -> None:
        super()._post_clean()  # type: ignore[misc]  # Django's own, which its stubs leave out
        if "confirm_password" in self.cleaned_data:
            # Confirmed, whatever else is to be corrected: the page need not ask again.
            del self.fields["confirm_password"]
            self.step_up_required = False

    def clean_confirm_password(self) -> str:
        """This will check the password or code and note the confirmation in the session."""
        given = self.cleaned_data["confirm_password"]
        try:
            form_limits.check(self.request, "step-up", "10/m")
        except RateLimited as error:
            raise forms.ValidationError(str(error)) from None
        if not (self.request.user.check_password(given) or self._is_code(given)):
            raise forms.ValidationError(_("That is not your password, nor a current code."))
        reauthenticate_by_password(self.request)
        return ""

    def _is_code(self, given: str) -> bool:
        code = given.strip().replace(" ", "")
        if not (code.isascii() and code.isdigit() and len(code) == 6):
            return False
        row = Authenticator.objects.filter(user=self.request.user, type=Authenticator.Type.TOTP).first()
        return row is not None and TOTP(row).validate_code(code)

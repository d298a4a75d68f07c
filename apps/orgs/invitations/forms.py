"""Forms to send an invitation, and to accept one without an account."""

from typing import Any

from django import forms
from django.contrib.auth.password_validation import validate_password
from django.utils.translation import gettext_lazy as _

from apps.base.web.forms import EmailAddressField, PlainTextField
from apps.orgs.members.forms import RoleForm
from apps.orgs.models import Role


class InviteForm(RoleForm):
    """The address and role of an invitation."""

    email = EmailAddressField(label=_("E-mail address"), autocomplete="off")

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["role"].initial = str(Role.VIEWER)
        self.order_fields(["email", "role", "confirm_password"])


class AcceptForm(forms.Form):
    """Name and password of a user who has no account yet."""

    name = PlainTextField(
        label=_("Your name"),
        max_length=150,
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )
    password = forms.CharField(
        label=_("Password"),
        strip=False,
        help_text=_("8 to 128 characters. Three unrelated words are a good start."),
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def clean_password(self) -> str:
        """Apply the password validators of the settings."""
        validate_password(self.cleaned_data["password"])
        return str(self.cleaned_data["password"])

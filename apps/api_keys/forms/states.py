"""Forms that bring a key into another state."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from apps.base.forms import StepUpForm


class ConfirmForm(StepUpForm):
    """One click: enabling and releasing ask for nothing but who is there."""


class DisableKeyForm(StepUpForm):
    """Why a key is switched off."""

    reason = forms.CharField(
        label=_("Reason"),
        required=False,
        max_length=200,
        help_text=_("For colleagues, and for the audit log."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )


class RevokeKeyForm(DisableKeyForm):
    """S6: the name typed where the key was used lately, else one tick."""

    def __init__(self, *args: Any, key_name: str, recently_used: bool, **options: Any) -> None:
        super().__init__(*args, **options)
        self.key_name = key_name
        if recently_used:
            self.fields["confirm_name"] = forms.CharField(
                label=_("Type the key's name to confirm"),
                help_text=key_name,
                widget=forms.TextInput(attrs={"autocomplete": "off"}),
            )
        else:
            self.fields["confirm"] = forms.BooleanField(
                label=_("I understand that calls with this key are refused from now on")
            )
        self.order_fields(["reason", "confirm_name", "confirm", "confirm_password"])

    def clean_confirm_name(self) -> str:
        """This will compare the typed name with the key's."""
        if self.cleaned_data["confirm_name"].strip() != self.key_name:
            raise forms.ValidationError(_("That is not the name of this key."))
        return self.key_name

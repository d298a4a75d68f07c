"""S3: the form for a new key."""

from collections.abc import Sequence
from typing import Any, cast

from django import forms
from django.utils.translation import gettext_lazy as _

from apps.api_keys.actions import MAX_DAYS, Lifetime
from apps.api_keys.models import KeyType, Scope
from apps.base.forms import StepUpForm
from apps.base.permissions import ADMIN

EXPIRIES = (
    ("30", _("30 days")),
    ("60", _("60 days")),
    ("90", _("90 days")),
    ("custom", _("Other number of days")),
    ("never", _("No expiry")),
)
FIELD_OF_ERROR = {
    "expires_in_days": "expires",
    "never_expires": "expires",
    "allowed_networks": "networks",
    "limits": "type",
}


class CreateKeyForm(StepUpForm):
    """S3: what makes a key."""

    name = forms.CharField(
        label=_("Name"),
        max_length=100,
        help_text=_("What runs with it, such as “Nightly export”."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    type = forms.ChoiceField(label=_("Type"), widget=forms.RadioSelect)
    subject = forms.CharField(
        label=_("Client"),
        max_length=200,
        required=False,
        help_text=_("For keys of type Client: your reference of the client whose data it is, such as a client number."),
    )
    scopes = forms.MultipleChoiceField(label=_("Access"), required=False)
    expires = forms.ChoiceField(label=_("Expires"), choices=EXPIRIES, initial="90")
    custom_days = forms.IntegerField(label=_("Days"), required=False, min_value=1, max_value=MAX_DAYS)
    networks = forms.CharField(
        label=_("Allowed networks"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false", "autocapitalize": "off"}),
        help_text=_("One address or network a line, such as 203.0.113.0/24. Empty: from anywhere."),
    )

    def __init__(self, *args: Any, types: Sequence[KeyType], scopes: Sequence[Scope], **options: Any) -> None:
        super().__init__(*args, **options)
        cast(forms.ChoiceField, self.fields["type"]).choices = [(each.name, each.title_text) for each in types]
        names = [(each.name, each.name) for each in scopes] + [(ADMIN, ADMIN)]
        cast(forms.ChoiceField, self.fields["scopes"]).choices = names

    def clean(self) -> dict[str, Any]:
        """This will ask for the number of days where that way was chosen."""
        values = super().clean() or {}
        if values.get("expires") == "custom" and not values.get("custom_days") and "custom_days" not in self.errors:
            self.add_error("custom_days", _("Say how many days."))
        return values

    def for_action(self) -> dict[str, Any]:
        """This will return what ``actions.create_key`` takes."""
        values = self.cleaned_data
        return {
            "name": values["name"],
            "key_type": values["type"],
            "scopes": values["scopes"],
            "subject": values["subject"],
            "lifetime": self._lifetime(),
            "allowed_networks": values["networks"].replace(",", "\n").split(),
        }

    def _lifetime(self) -> Lifetime:
        chosen = self.cleaned_data["expires"]
        if chosen == "never":
            return Lifetime(never=True, field="never_expires")
        return Lifetime.days(self.cleaned_data["custom_days"] if chosen == "custom" else int(chosen))

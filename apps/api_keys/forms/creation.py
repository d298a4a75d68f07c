"""S3: the second step of making a key, the form of one key type."""

from datetime import datetime, timedelta
from typing import Any, cast

from django import forms
from django.utils import timezone
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from apps.api_keys.actions import MAX_DAYS, Lifetime
from apps.api_keys.forms.access import AccessFields
from apps.api_keys.forms.bounds import limit_fields, limits_in, network_field, networks_in
from apps.api_keys.models import KeyType
from apps.api_keys.presenting.facts import written_day
from apps.api_keys.presenting.offers import Offer
from apps.base.forms import StepUpForm

DAYS = ("30", "60", "90")
CUSTOM, NEVER = "custom", "never"
FIELD_OF_ERROR = {
    "expires_in_days": "expires",
    "never_expires": "expires",
    "allowed_networks": "networks",
    "limits": "limit_minute",
}


class CreateKeyForm(AccessFields, StepUpForm):
    """What makes a key of one type."""

    name = forms.CharField(
        label=_("Name"),
        max_length=100,
        help_text=_("What runs with it, such as “Nightly export”."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    expires = forms.ChoiceField(label=_("Expires"))
    custom_days = forms.IntegerField(label=_("Days"), required=False, min_value=1, max_value=MAX_DAYS)
    networks = network_field()

    def __init__(self, *args: Any, offer: Offer, kind: KeyType, **options: Any) -> None:
        super().__init__(*args, **options)
        self.offer, self.kind = offer, kind
        self.offer_rights(offer.rights(kind))
        if kind.needs_subject:
            self.fields["subject"] = self._subject()
        self.fields.update(limit_fields(kind))
        self._offer_lifetimes()
        self.order_fields(["name", "subject", "access", "scopes", "expires", "custom_days", "networks"])

    def _subject(self) -> forms.CharField:
        return forms.CharField(
            label=_("Client"),
            max_length=200,
            widget=forms.TextInput(attrs={"autocomplete": "off"}),
            help_text=_("Your reference of the client whose data it is, such as a client number."),
            error_messages={"required": _("A key of this type needs a subject: your reference of the client.")},
        )

    def _offer_lifetimes(self) -> None:
        """Show what the type allows; a longer one that is sent all the same is for the action to refuse."""
        now, longest = timezone.now(), self.offer.longest_days(self.kind)
        labels = {days: _in_days(int(days), now) for days in DAYS}
        labels |= {CUSTOM: gettext("Other number of days"), NEVER: gettext("No expiry")}
        cast(forms.ChoiceField, self.fields["expires"]).choices = list(labels.items())
        if longest is not None:
            shown = [word for word in labels if word != NEVER and (word == CUSTOM or int(word) <= longest)]
            cast(forms.Select, self.fields["expires"].widget).choices = [(word, labels[word]) for word in shown]
            self.fields["custom_days"].help_text = _until_at_most(longest, now)
            self.fields["custom_days"].widget.attrs["max"] = longest
        usual = self.offer.usual_days(self.kind)
        self.fields["expires"].initial = NEVER if usual is None else str(usual) if str(usual) in DAYS else CUSTOM
        self.fields["custom_days"].initial = usual

    def clean(self) -> dict[str, Any]:
        """This will ask for the number of days where that way was chosen."""
        values = super().clean() or {}
        if values.get("expires") == CUSTOM and not values.get("custom_days") and "custom_days" not in self.errors:
            self.add_error("custom_days", _("Say how many days."))
        return values

    def for_action(self) -> dict[str, Any]:
        """This will return what ``actions.create_key`` takes."""
        values = self.cleaned_data
        return {
            "name": values["name"],
            "key_type": self.kind.name,
            "scopes": self.wanted_scopes(),
            "subject": values.get("subject", ""),
            "lifetime": self._lifetime(),
            "allowed_networks": networks_in(values["networks"]),
            "limits": limits_in(values),
        }

    def _lifetime(self) -> Lifetime:
        chosen = self.cleaned_data["expires"]
        if chosen == NEVER:
            return Lifetime(never=True, field="never_expires")
        return Lifetime.days(self.cleaned_data["custom_days"] if chosen == CUSTOM else int(chosen))


def _in_days(days: int, now: datetime) -> str:
    until = written_day(now + timedelta(days=days))
    return ngettext("%(days)d day, until %(until)s", "%(days)d days, until %(until)s", days) % {
        "days": days,
        "until": until,
    }


def _until_at_most(days: int, now: datetime) -> str:
    values = {"days": days, "until": written_day(now + timedelta(days=days))}
    return gettext("At most %(days)d, until %(until)s.") % values

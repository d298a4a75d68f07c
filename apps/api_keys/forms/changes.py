"""Forms that change a key or replace it."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from apps.api_keys.actions import DAY_SECONDS, WINDOWS
from apps.api_keys.forms.access import AccessFields
from apps.api_keys.forms.bounds import limit_fields, limits_in, network_field, networks_in
from apps.api_keys.models import ApiKey
from apps.api_keys.presenting.rights import Rights
from apps.base.forms import StepUpForm
from apps.base.permissions import ADMIN
from apps.credentials.lifecycle import LONGEST_OVERLAP

CUSTOM = "custom"
OVERLAPS = (
    ("0", _("Not at all: it ends now")),
    ("3600", _("1 hour")),
    (str(DAY_SECONDS), _("24 hours")),
    (str(7 * DAY_SECONDS), _("7 days")),
    (CUSTOM, _("Other number of days")),
)


class ChangeKeyForm(AccessFields, StepUpForm):
    """What of a key may change: its name, where it may be used from, its limits, and its rights, to fewer."""

    name = forms.CharField(label=_("Name"), max_length=100, widget=forms.TextInput(attrs={"autocomplete": "off"}))
    networks = network_field()

    def __init__(self, *args: Any, key: ApiKey, **options: Any) -> None:
        super().__init__(*args, initial=_as_is(key), **options)
        self.key = key
        self.offer_rights(Rights.held_by(key))
        self.fields.update(limit_fields(key.key_type, {name: _limit(key, name) for name in WINDOWS}))
        self.order_fields(["name", "access", "scopes", "networks"])

    def for_action(self) -> dict[str, Any]:
        """This will return what ``actions.update_key`` takes; limits as they are stay unjudged."""
        values = self.cleaned_data
        limits = {name: figure for name, figure in limits_in(values).items() if figure != _limit(self.key, name)}
        return {
            "name": values["name"],
            "scopes": self.wanted_scopes(),
            "allowed_networks": networks_in(values["networks"]),
            "limits": limits,
        }


def _as_is(key: ApiKey) -> dict[str, Any]:
    is_admin = ADMIN in key.scopes
    return {
        "name": key.name,
        "access": ADMIN if is_admin else "",
        "scopes": [] if is_admin else key.scopes,
        "networks": "\n".join(key.allowed_networks),
        "limit_minute": key.limit_minute,
        "limit_hour": key.limit_hour,
    }


def _limit(key: ApiKey, window: str) -> int | None:
    figure: int | None = getattr(key, f"limit_{window}")
    return figure


class RotateKeyForm(StepUpForm):
    """S6: how long the old key goes on working."""

    overlap = forms.ChoiceField(
        label=_("The old key keeps working for"),
        choices=OVERLAPS,
        initial=str(DAY_SECONDS),
        widget=forms.RadioSelect,
    )
    custom_days = forms.IntegerField(
        label=_("Days"), required=False, min_value=1, max_value=LONGEST_OVERLAP.days, help_text=_("From 1 to 30.")
    )

    def clean(self) -> dict[str, Any]:
        """This will ask for the number of days where that way was chosen."""
        values = super().clean() or {}
        if values.get("overlap") == CUSTOM and not values.get("custom_days") and "custom_days" not in self.errors:
            self.add_error("custom_days", _("Say how many days."))
        return values

    @property
    def overlap_seconds(self) -> int:
        """The chosen overlap, as ``actions.rotate_key`` takes it."""
        chosen = self.cleaned_data["overlap"]
        return self.cleaned_data["custom_days"] * DAY_SECONDS if chosen == CUSTOM else int(chosen)

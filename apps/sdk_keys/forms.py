"""Forms for SDK keys: the app that a key belongs to and its device limit. They save nothing."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from apps.base.web.forms import PlainTextField, StepUpForm, number_field
from apps.credentials.lifecycle.forms import KeyChangeForm, LifetimeForm
from apps.orgs.lookups import longest_key_days
from apps.sdk_keys.actions import NewSdkKey
from apps.sdk_keys.actions.app_rules import MAX_DEVICES, MAX_INACTIVE_DAYS
from apps.sdk_keys.models import DEFAULT_INACTIVE_DAYS, Platform, SdkKey

LIFETIME_PRESETS = ("90", "365", "730")
# Fields that keys of a platform do not have.
UNUSED_FIELDS = {
    Platform.IOS: ("cert_sha256", "origins"),
    Platform.ANDROID: ("origins",),
    Platform.WEB: ("app_id", "cert_sha256"),
}
APP_ID = {Platform.IOS: _("Bundle id"), Platform.ANDROID: _("Package name")}
PLAIN_TEXT_ATTRS = {"autocomplete": "off", "spellcheck": "false", "autocapitalize": "off"}


class AppForm(StepUpForm):
    """The fields for creating and changing a key of one platform."""

    name = PlainTextField(
        label=_("Name"),
        max_length=100,
        help_text=_("The app that it goes into, such as “Field app”."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    app_id = forms.CharField(
        max_length=255, help_text=_("Such as com.example.app."), widget=forms.TextInput(PLAIN_TEXT_ATTRS)
    )
    cert_sha256 = forms.CharField(
        label=_("SHA-256 of the signing certificate"),
        required=False,
        max_length=95,
        help_text=_("64 hexadecimal digits, with or without colons. Empty: not asked for."),
        widget=forms.TextInput(PLAIN_TEXT_ATTRS),
    )
    origins = forms.CharField(
        label=_("Allowed origins"),
        widget=forms.Textarea({"rows": 3, **PLAIN_TEXT_ATTRS}),
        help_text=_(
            "One per line: scheme, host and port, such as https://app.example.com or, for an app, capacitor://localhost."
            " http is for localhost only."
        ),
    )
    activation_limit = number_field(_("Most active devices"), MAX_DEVICES, _("Empty: any number."))
    inactive_after_days = number_field(
        _("Days of silence"),
        MAX_INACTIVE_DAYS,
        _("A device that is not heard of for so long loses its place. Empty: never."),
    )

    def __init__(self, *args: Any, platform: Platform, **options: Any) -> None:
        super().__init__(*args, **options)
        self.platform = platform
        for name in UNUSED_FIELDS[platform]:
            del self.fields[name]
        if "app_id" in self.fields:
            self.fields["app_id"].label = APP_ID[platform]

    def app_values(self) -> dict[str, Any]:
        """Return the values by the API's field names."""
        values = {name: self.cleaned_data[name] for name in AppForm.base_fields if name in self.cleaned_data}
        values.pop("token", None)
        if "origins" in values:
            values["origins"] = values["origins"].replace(",", "\n").split()
        return values


class CreateSdkKeyForm(AppForm, LifetimeForm):
    """Creates an SDK key of one platform."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        longest = longest_key_days(self.request.actor.organization_id)
        self.set_lifetime_choices(LIFETIME_PRESETS, longest, longest)
        self.fields["inactive_after_days"].initial = DEFAULT_INACTIVE_DAYS

    def action_arguments(self) -> dict[str, Any]:
        """Return the arguments of ``actions.create_sdk_key``."""
        return {"new": NewSdkKey(platform=self.platform, lifetime=self.lifetime, **self.app_values())}


class ChangeSdkKeyForm(AppForm, KeyChangeForm):
    """Changes an SDK key."""

    def __init__(self, *args: Any, key: SdkKey, **options: Any) -> None:
        super().__init__(*args, platform=Platform(key.platform), initial=_initial_values(key), **options)
        in_use = key.pool.active_count
        if in_use:
            hint = ngettext(
                "Empty: any number. %(count)d device is active now: a lower limit leaves it its place.",
                "Empty: any number. %(count)d devices are active now: a lower limit leaves them their places.",
                in_use,
            )
            self.fields["activation_limit"].help_text = hint % {"count": in_use}

    def action_arguments(self) -> dict[str, Any]:
        """Return the arguments of ``actions.update_sdk_key``."""
        return self.app_values()


def _initial_values(key: SdkKey) -> dict[str, Any]:
    return {
        "name": key.name,
        "app_id": key.app_id,
        "cert_sha256": key.cert_sha256,
        "origins": "\n".join(key.origins),
        "activation_limit": key.pool.activation_limit,
        "inactive_after_days": key.pool.inactive_after_days,
    }

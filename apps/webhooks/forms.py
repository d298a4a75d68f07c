"""Forms for endpoints: they clean values and save nothing."""

from collections.abc import Sequence
from typing import Any, cast

from django import forms
from django.utils.translation import gettext_lazy as _

from apps.base.forms import OneUseForm, StepUpForm
from apps.webhooks.models import EventType

ALL = "*"


class EndpointForm(StepUpForm):
    """S8: what makes an endpoint."""

    url = forms.CharField(
        label=_("URL"),
        max_length=2048,
        help_text=_("Where we send events, such as https://hooks.example.com/in."),
        widget=forms.URLInput(attrs={"placeholder": "https://", "autocomplete": "off", "spellcheck": "false"}),
    )
    description = forms.CharField(label=_("Description"), max_length=200, required=False)
    all_events = forms.ChoiceField(label=_("Events"), choices=(("", ""), ("all", "all")), required=False)
    event_types = forms.MultipleChoiceField(label=_("Events"), required=False)
    rate_limit_per_second = forms.IntegerField(
        label=_("At most per second"),
        required=False,
        min_value=1,
        max_value=1000,
        help_text=_("Empty: as fast as your server answers."),
    )
    headers = forms.CharField(
        label=_("Own headers"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 2, "spellcheck": "false", "autocapitalize": "off"}),
        help_text=_("One a line, such as X-Team: blue. Kept encrypted and masked afterwards."),
    )

    def __init__(self, *args: Any, types: Sequence[EventType], **options: Any) -> None:
        super().__init__(*args, **options)
        cast(forms.ChoiceField, self.fields["event_types"]).choices = [(each.name, each.name) for each in types]

    def clean_headers(self) -> dict[str, str]:
        """This will read one header a line."""
        headers: dict[str, str] = {}
        for line in self.cleaned_data["headers"].splitlines():
            if not line.strip():
                continue
            name, separator, value = line.partition(":")
            if not separator:
                raise forms.ValidationError(_("Write each header as Name: value."))
            headers[name.strip()] = value.strip()
        return headers

    def clean(self) -> dict[str, Any]:
        """This will ask for at least one event type where they are chosen one by one."""
        values = super().clean() or {}
        if values.get("all_events") != "all" and not values.get("event_types") and "event_types" not in self.errors:
            self.add_error("event_types", _("Choose at least one event."))
        return values

    def for_action(self) -> dict[str, Any]:
        """This will return what ``actions.create_endpoint`` takes."""
        values = self.cleaned_data
        return {
            "url": values["url"],
            "description": values["description"],
            "event_types": [ALL] if values["all_events"] == "all" else values["event_types"],
            "rate_limit_per_second": values["rate_limit_per_second"],
            "headers": values["headers"],
        }


class DeleteEndpointForm(OneUseForm):
    """One tick before an endpoint is gone."""

    confirm = forms.BooleanField(label=_("I understand that its waiting deliveries are dropped"))

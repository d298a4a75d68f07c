"""Forms for endpoints, signing secrets and replays, which validate values and save nothing."""

from collections.abc import Sequence
from typing import Any, cast

from django import forms
from django.utils.translation import gettext_lazy as _

from apps.base.timestamps import LOCAL_TIME
from apps.base.web.forms import PlainTextField, ReauthenticationForm, StepUpForm, number_field
from apps.webhooks import actions
from apps.webhooks.models import EventType
from apps.webhooks.types.catalogue import ALL_EVENTS

HOUR_SECONDS, DAY_SECONDS = 3600, 86_400


def pattern_choices(types: Sequence[EventType]) -> list[str]:
    """Return ``prefix.*`` for each group of event types, then their names."""
    prefixes = dict.fromkeys(f"{each.name.partition('.')[0]}.*" for each in types)
    return [*prefixes, *(each.name for each in types)]


class EndpointFields(forms.Form):
    """The editable fields of an endpoint."""

    url = forms.CharField(
        label=_("URL"),
        max_length=2048,
        help_text=_("Where we send events, such as https://hooks.example.com/in."),
        widget=forms.URLInput(attrs={"placeholder": "https://", "autocomplete": "off", "spellcheck": "false"}),
    )
    description = PlainTextField(label=_("Description"), max_length=200, required=False)
    all_events = forms.ChoiceField(label=_("Events"), choices=(("", ""), ("all", "all")), required=False)
    event_types = forms.MultipleChoiceField(label=_("Events"), required=False)
    rate_limit_per_second = number_field(_("At most per second"), 1000, _("Empty: as fast as your server answers."))
    max_in_flight = number_field(
        _("At most at the same time"), 64, _("How many calls may wait for your answer at once. Empty: 16.")
    )
    headers = forms.CharField(
        label=_("Own headers"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 2, "spellcheck": "false", "autocapitalize": "off", "autocomplete": "off"}),
        help_text=_("One a line, such as X-Team: blue. Kept encrypted and masked afterwards."),
    )

    def __init__(self, *args: Any, choices: Sequence[str], **options: Any) -> None:
        super().__init__(*args, **options)
        cast(forms.ChoiceField, self.fields["event_types"]).choices = [(each, each) for each in choices]

    def clean_headers(self) -> dict[str, str]:
        """Parse one ``Name: value`` header per line."""
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
        """Require at least one event type unless all are chosen."""
        values = super().clean() or {}
        if values.get("all_events") != "all" and not values.get("event_types") and "event_types" not in self.errors:
            self.add_error("event_types", _("Choose at least one event."))
        return values

    def action_arguments(self) -> dict[str, Any]:
        """Return the arguments of ``actions.create_endpoint`` and ``update_endpoint``."""
        names = ("url", "description", "rate_limit_per_second", "max_in_flight", "headers")
        values = {name: self.cleaned_data[name] for name in names if name in self.cleaned_data}
        everything = self.cleaned_data["all_events"] == "all"
        return {**values, "event_types": [ALL_EVENTS] if everything else self.cleaned_data["event_types"]}


class EndpointForm(EndpointFields, StepUpForm):
    """Create an endpoint."""


class EndpointEditForm(EndpointFields, ReauthenticationForm):
    """Edit an endpoint; a masked header value keeps the stored one.

    A changed URL or header requires the user to confirm their identity, because stored headers and events could be sent
    to another server.
    """

    def __init__(self, *args: Any, is_inbox: bool = False, **options: Any) -> None:
        super().__init__(*args, **options)
        if self.step_up_required and (is_inbox or not self._changes_target()):
            del self.fields["confirm_password"]
            self.step_up_required = False
        self.fields["headers"].help_text = _("One a line, such as X-Team: blue. Leave •••• to keep a stored value.")
        if is_inbox:
            for name in ("url", "headers"):
                del self.fields[name]

    def _changes_target(self) -> bool:
        """Return whether the submitted URL or a header line differs from the current one."""
        return self.is_bound and any(
            [line.strip() for line in self.data.get(name, "").splitlines() if line.strip()]
            != self.get_initial_for_field(self.fields[name], name).splitlines()
            for name in ("url", "headers")
        )


class DeleteEndpointForm(StepUpForm):
    """Confirm the deletion of an endpoint."""

    confirm = forms.BooleanField(label=_("I understand that its waiting deliveries are dropped"))


class RotateSecretForm(StepUpForm):
    """Choose how long the old signing secret stays valid."""

    overlap_seconds = forms.TypedChoiceField(
        label=_("The old secret also signs for"),
        coerce=int,
        initial=DAY_SECONDS,
        choices=[
            (0, _("no longer: it ends at once")),
            (HOUR_SECONDS, _("1 hour")),
            (DAY_SECONDS, _("24 hours")),
            (7 * DAY_SECONDS, _("7 days")),
            (30 * DAY_SECONDS, _("30 days")),
        ],
        help_text=_("During this time each call carries both signatures, so nothing breaks while you change over."),
    )


class LocalTimeField(forms.DateTimeField):
    """A time in the user's time zone, in the format of ``datetime-local`` inputs only."""

    def to_python(self, value: Any) -> Any:
        if isinstance(value, str) and value and not LOCAL_TIME.fullmatch(value):
            raise forms.ValidationError(self.error_messages["invalid"], code="invalid")
        return super().to_python(value)


class ReplayForm(forms.Form):
    """Select the events to replay."""

    status = forms.MultipleChoiceField(
        label=_("Which deliveries"),
        choices=[("exhausted", _("Failed for good")), ("dropped", _("Dropped")), ("succeeded", _("Delivered"))],
        widget=forms.CheckboxSelectMultiple,
    )
    event_types = forms.ChoiceField(label=_("Event"), required=False)
    since = LocalTimeField(
        label=_("Created since"),
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local", "step": "60"}, format="%Y-%m-%dT%H:%M"),
    )
    until = LocalTimeField(
        label=_("Created before"),
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local", "step": "60"}, format="%Y-%m-%dT%H:%M"),
    )
    rate_per_second = number_field(_("At most per second"), 1000, _("Empty: at the endpoint’s own pace."))

    def __init__(self, *args: Any, types: Sequence[str], **options: Any) -> None:
        super().__init__(*args, **options)
        choices = [("", _("All events")), *((name, name) for name in types)]
        cast(forms.ChoiceField, self.fields["event_types"]).choices = choices

    def selection(self) -> Any:
        """Return the validated selection, or raise Invalid."""
        values = self.cleaned_data
        chosen = [values["event_types"]] if values["event_types"] else []
        return actions.replay_selection(values["status"], chosen, values["since"], values["until"])

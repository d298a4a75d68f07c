"""Forms of an organization's settings, on its pages and in the operators' admin. Actions save them."""

from typing import Any, ClassVar, cast

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apps.base.actor import Actor, ActorKind
from apps.base.errors import Invalid
from apps.base.web.forms import OneUseForm, PlainTextField, StepUpForm, number_field
from apps.orgs.lookups import RETENTION_SETTINGS, portal_retention_days, retention_field
from apps.orgs.mail.recipients import GROUPS
from apps.orgs.models import LeakPolicy, Membership, Organization, OrganizationStatus, Role
from apps.orgs.settings.organization_settings import (
    MAX_KEY_DAYS,
    MAX_NAME_LENGTH,
    MIN_RETENTION_DAYS,
    OPERATOR_SETTINGS,
    SETTINGS,
    check_settings,
)

# With more choices than this a scrolling list replaces checkboxes.
MAX_CHECKBOXES = 30
NO_AUTOCOMPLETE = {"autocomplete": "off"}
RETENTION_LABELS = {
    "audit": _("Audit log: who changed what"),
    "calls": _("API calls: one line for each request"),
    "deliveries": _("Events and deliveries"),
}


class SettingsForm(OneUseForm):
    """A part of the settings; ``version`` detects changes that were saved while the form was open."""

    version = forms.IntegerField(widget=forms.HiddenInput)

    def __init__(self, *args: Any, organization: Organization, **options: Any) -> None:
        options.setdefault("initial", {name: getattr(organization, name) for name in SETTINGS})
        super().__init__(*args, **options)
        self.organization = organization
        self.fields["version"].initial = organization.settings_version

    def action_arguments(self) -> dict[str, Any]:
        """Return the values for ``update_settings``."""
        return {name: self.cleaned_data[name] for name in SETTINGS if name in self.cleaned_data}

    def use_newest_version(self, organization: Organization) -> None:
        """Take the newest version, so that submitting again overwrites the other change."""
        self.data = self.data.copy()
        self.data["version"] = str(organization.settings_version)
        self.data["token"] = self.new_token()


class GeneralForm(SettingsForm):
    """The organization's name."""

    name = PlainTextField(label=_("Name"), max_length=MAX_NAME_LENGTH, widget=forms.TextInput(attrs=NO_AUTOCOMPLETE))


class SecurityForm(StepUpForm, SettingsForm):
    """Maximum key lifetime, two-step sign-in of members, and what happens to a leaked key."""

    longest_key_days = number_field(
        _("Longest lifetime of a key, in days"),
        MAX_KEY_DAYS,
        _("Empty: as the key's type says. Keys that live longer already stay as they are."),
    )
    two_step_required = forms.BooleanField(
        label=_("Every member needs two-step sign-in"),
        required=False,
        help_text=_("Who has not set it up is led there at the next click, before anything else."),
    )
    leak_policy = forms.ChoiceField(
        label=_("When a key is reported as leaked"), choices=LeakPolicy.choices, widget=forms.RadioSelect
    )


class RetentionForm(StepUpForm, SettingsForm):
    """Retention in days, up to the portal's own; a shorter one than now must be confirmed."""

    confirm = forms.BooleanField(label=_("Remove what is older. It cannot be brought back"), required=False)

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.shorter: dict[str, int] = {}
        for category in RETENTION_SETTINGS:
            self.fields[retention_field(category)] = self._retention_days_field(category)
        self.order_fields([*map(retention_field, RETENTION_SETTINGS), "confirm", "confirm_password"])

    def _retention_days_field(self, category: str) -> forms.IntegerField:
        least, most = MIN_RETENTION_DAYS[category], portal_retention_days(category)
        hint = _("From %(low)d to %(most)d days. Empty: %(most)d, as long as the portal keeps them.")
        return forms.IntegerField(
            label=RETENTION_LABELS[category], required=False, min_value=least, max_value=max(most, least),
            help_text=hint % {"low": least, "most": most},
        )  # fmt: skip

    def clean(self) -> dict[str, Any]:
        """Find what becomes shorter, and require confirmation if anything does."""
        values = super().clean() or {}
        for category in RETENTION_SETTINGS:
            name, most = retention_field(category), portal_retention_days(category)
            new, old = values.get(name) or most, getattr(self.organization, name) or most
            if name in values and new < min(old, most):
                self.shorter[category] = new
        if self.shorter and not values.get("confirm"):
            self.add_error("confirm", _("Rows will be removed. Look at what goes, then tick this."))
        return values


class MailForm(StepUpForm, SettingsForm):
    """The roles and members who receive the mail of each group of notifications."""

    def __init__(self, *args: Any, organization: Organization, **options: Any) -> None:
        super().__init__(*args, organization=organization, **options)
        members = Membership.objects.filter(organization=organization).select_related("user").order_by("user__name")
        member_choices = [(each.user_public_id, f"{each.user.name} · {each.user.email}") for each in members]
        chosen = organization.mail_recipients or {}
        for group in GROUPS:
            now = chosen.get(group, {})
            self.fields[f"roles_{group}"] = self._multiple_choice_field(_("Roles"), Role.choices, now.get("roles", []))
            self.fields[f"members_{group}"] = self._multiple_choice_field(
                _("People"), member_choices, now.get("members", [])
            )

    def _multiple_choice_field(self, label: Any, choices: list[Any], chosen: list[str]) -> forms.MultipleChoiceField:
        return forms.MultipleChoiceField(
            label=label,
            choices=choices,
            required=False,
            initial=chosen,
            widget=forms.CheckboxSelectMultiple if len(choices) <= MAX_CHECKBOXES else forms.SelectMultiple,
        )

    def groups(self) -> list[dict[str, Any]]:
        """Return the fields of each group, with its label."""
        return [
            {"title": title, "roles": self[f"roles_{group}"], "members": self[f"members_{group}"], "name": group}
            for group, title in GROUPS.items()
        ]

    def action_arguments(self) -> dict[str, Any]:
        """Return the values for ``update_settings``."""
        values = self.cleaned_data
        chosen = {group: {"roles": values[f"roles_{group}"], "members": values[f"members_{group}"]} for group in GROUPS}
        return {"mail_recipients": chosen}


class ExportForm(StepUpForm):
    """Confirmation of one's identity before a data export."""


class CloseForm(StepUpForm):
    """The organization's name, typed to confirm closing it."""

    confirm_name = forms.CharField(
        label=_("Type the organization's name to confirm"), widget=forms.TextInput(attrs=NO_AUTOCOMPLETE)
    )

    def __init__(self, *args: Any, organization: Organization, **options: Any) -> None:
        super().__init__(*args, **options)
        self.organization = organization
        self.fields["confirm_name"].help_text = organization.name

    def clean_confirm_name(self) -> str:
        """Check that the organization's name was typed."""
        text: str = self.cleaned_data["confirm_name"]
        if text.split() != self.organization.name.split():
            raise forms.ValidationError(_("That is not the name of this organization."))
        return text


class OrganizationAdminForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in the stubs alone
    """An organization as operators change it: settings, limits and status."""

    class Meta:
        model = Organization
        fields = (
            "status",
            "status_reason",
            *(name for name in SETTINGS if name != "mail_recipients"),
            *OPERATOR_SETTINGS,
        )
        field_classes: ClassVar[dict[str, Any]] = {"name": PlainTextField, "status_reason": PlainTextField}
        help_texts: ClassVar[dict[str, Any]] = {
            "status_reason": _("Why it is suspended. Its members read this."),
            "status": _("Suspended: keys answer 403, deliveries are held, pages can only be read."),
        }

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.original = Organization.objects.get(pk=self.instance.pk)
        if self.original.status == OrganizationStatus.CLOSED:
            status_choices: list[Any] = [
                (OrganizationStatus.CLOSED, _("Closed")),
                (OrganizationStatus.ACTIVE, _("Open it again")),
            ]
        else:
            status_choices = [each for each in OrganizationStatus.choices if each[0] != OrganizationStatus.CLOSED]
        cast(forms.ChoiceField, self.fields["status"]).choices = status_choices

    def clean(self) -> dict[str, Any]:
        """Validate the changed settings by the action's rules, and require a reason to suspend."""
        values = super().clean() or {}
        if values.get("status") == OrganizationStatus.SUSPENDED and not values.get("status_reason", "").strip():
            self.add_error("status_reason", _("Give a reason. The members of the organization read it."))
        operator = Actor(kind=ActorKind.OPERATOR, id="", label="")
        for name in self.changed_settings():
            try:
                values[name] = check_settings(operator, self.original, {name: values[name]})[name]
            except Invalid as error:
                self.add_error(name, str(error.message))
        return values

    def changed_settings(self) -> list[str]:
        """Return the names of the settings that differ."""
        known = (*SETTINGS, *OPERATOR_SETTINGS)
        return [name for name in self.changed_data if name in known and name in self.cleaned_data]

    def clean_kept_until(self) -> Any:
        """Refuse a time in the past."""
        kept_until = self.cleaned_data["kept_until"]
        if "kept_until" in self.changed_data and kept_until is not None and kept_until <= timezone.now():
            raise forms.ValidationError(_("Choose a moment in the future."))
        return kept_until

"""Forms for keys of all kinds: lifetime, rotation, disabling and revocation. They save nothing."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar, cast

from django import forms
from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from apps.base.errors import PortalError
from apps.base.extension_points.descendants import Descendant
from apps.base.permissions import Permission
from apps.base.requests import PortalRequest
from apps.base.timestamps import format_date_for_reader
from apps.base.web.forms import (
    AlreadySubmitted,
    PlainTextField,
    StepUpForm,
    add_action_errors,
    form_token,
    number_field,
)
from apps.credentials.key_status import CHANGES
from apps.credentials.models import SecretKey
from apps.credentials.rules import DAY_SECONDS, MAX_DAYS, MAX_OVERLAP, Lifetime

CUSTOM, NEVER = "custom", "never"
# The form field for each field name in an action's errors.
LIFETIME_FIELDS = {"expires_in_days": "expires", "expires_at": "expires", "never_expires": "expires"}
OVERLAPS = (
    ("0", _("Not at all: it ends now")),
    ("3600", _("1 hour")),
    (str(DAY_SECONDS), _("24 hours")),
    (str(7 * DAY_SECONDS), _("7 days")),
    (CUSTOM, _("Other number of days")),
)


class LifetimeForm(StepUpForm):
    """The lifetime of a new key: a preset, another number of days, or no expiry."""

    expires = forms.ChoiceField(label=_("Expires"))
    custom_days = forms.IntegerField(label=_("Days"), required=False, min_value=1, max_value=MAX_DAYS)

    def set_lifetime_choices(self, presets: Sequence[str], max_days: int | None, initial_days: int | None) -> None:
        """Set the choices; a longer lifetime than offered is refused by the action.

        ``presets``: the presets in days; ``max_days`` and ``initial_days``: in days, None for no expiry.
        """
        now = timezone.now()
        labels = {days: _in_days(int(days), now) for days in presets}
        labels |= {CUSTOM: gettext("Other number of days"), NEVER: gettext("No expiry")}
        cast(forms.ChoiceField, self.fields["expires"]).choices = list(labels.items())
        if max_days is not None:
            shown = [value for value in labels if value != NEVER and (value == CUSTOM or int(value) <= max_days)]
            cast(forms.Select, self.fields["expires"].widget).choices = [(value, labels[value]) for value in shown]
            self.fields["custom_days"].help_text = _until_at_most(max_days, now)
            self.fields["custom_days"].widget.attrs["max"] = max_days
        value = NEVER if initial_days is None else str(initial_days)
        self.fields["expires"].initial = value if value in labels else CUSTOM
        self.fields["custom_days"].initial = initial_days

    def clean(self) -> dict[str, Any]:
        """Ask for the number of days where that way was chosen."""
        return _require_custom_days(self, super().clean() or {}, "expires")

    @property
    def lifetime(self) -> Lifetime:
        """The chosen lifetime, as actions take it."""
        chosen = self.cleaned_data["expires"]
        if chosen == NEVER:
            return Lifetime(never=True, field="never_expires")
        return Lifetime.days(self.cleaned_data["custom_days"] if chosen == CUSTOM else int(chosen))


def _require_custom_days(form: forms.Form, values: dict[str, Any], choice: str) -> dict[str, Any]:
    if values.get(choice) == CUSTOM and not values.get("custom_days") and "custom_days" not in form.errors:
        form.add_error("custom_days", _("Say how many days."))
    return values


def _in_days(days: int, now: datetime) -> str:
    return ngettext("%(days)d day, until %(until)s", "%(days)d days, until %(until)s", days) % _until(days, now)


def _until_at_most(days: int, now: datetime) -> str:
    return gettext("At most %(days)d, until %(until)s.") % _until(days, now)


def _until(days: int, now: datetime) -> dict[str, Any]:
    return {"days": days, "until": format_date_for_reader(timezone.localtime(now + timedelta(days=days)), "date")}


class RotateKeyForm(StepUpForm):
    """The overlap during which the old key keeps working."""

    overlap = forms.ChoiceField(
        label=_("The old key keeps working for"),
        choices=OVERLAPS,
        initial=str(DAY_SECONDS),
        widget=forms.RadioSelect,
    )
    custom_days = number_field(_("Days"), MAX_OVERLAP.days, _("From 1 to 30."))

    def clean(self) -> dict[str, Any]:
        """Ask for the number of days where that way was chosen."""
        return _require_custom_days(self, super().clean() or {}, "overlap")

    @property
    def overlap_seconds(self) -> int:
        """The chosen overlap, as ``actions.rotate_key`` takes it."""
        chosen = self.cleaned_data["overlap"]
        return self.cleaned_data["custom_days"] * DAY_SECONDS if chosen == CUSTOM else int(chosen)


class ConfirmForm(StepUpForm):
    """A form without fields except step-up confirmation: enabling and releasing."""

    @classmethod
    def of(cls, request: PortalRequest) -> "ConfirmForm":
        """Return the form, bound on POST unless step-up is required and was not answered yet."""
        form = cls(request.POST if request.method == "POST" else None, request=request)
        if form.step_up_required and "confirm_password" not in request.POST:
            return cls(None, request=request)  # asked for the first time
        return form


class KeyChangeForm(StepUpForm):
    """The base of the edit form of each kind of key."""

    # Form fields by the action's field names, where they differ.
    field_names: ClassVar[Mapping[str, str]] = {}

    def extra_context(self) -> dict[str, Any]:
        """Return context for the page besides the form."""
        return {}

    def action_arguments(self) -> dict[str, Any]:
        """Return the arguments of the action."""
        raise NotImplementedError


class ReasonForm(StepUpForm):
    """A reason for disabling, revoking or removing something."""

    reason = PlainTextField(
        label=_("Reason"),
        required=False,
        max_length=200,
        help_text=_("For colleagues, and for the audit log."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )


class DisableKeyForm(ReasonForm):
    """The reason for disabling a key."""


class RevokeKeyForm(DisableKeyForm):
    """Confirmation of a revocation: the typed name for a recently used key, else a checkbox."""

    def __init__(
        self, *args: Any, key_name: str, recently_used: bool, successors: Sequence[SecretKey] = (), **options: Any
    ) -> None:
        super().__init__(*args, **options)
        self.key_name = key_name
        if successors:
            label = gettext("Also revoke %(keys)s, created by this key when it rotated itself")
            self.fields["successors"] = forms.BooleanField(
                label=label % {"keys": ", ".join(key.mask for key in successors)},
                required=False,
                initial=True,
                help_text=gettext("Whoever has this key may have them too. Clear this if you rotated it on purpose."),
            )
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
        self.order_fields(["reason", "successors", "confirm_name", "confirm", "confirm_password"])

    def action_arguments(self) -> dict[str, Any]:
        """Return the arguments of the revoke action; ``successors`` only where the key has some."""
        return {name: self.cleaned_data[name] for name in ("reason", "successors") if name in self.fields}

    def clean_confirm_name(self) -> str:
        """Compare the typed name with the key's."""
        if self.cleaned_data["confirm_name"].strip() != self.key_name:
            raise forms.ValidationError(_("That is not the name of this key."))
        return self.key_name


class EndDescendantsForm(ReasonForm):
    """Which objects of a creator are revoked, removed or paused, and why."""

    only = forms.MultipleChoiceField(label=_("Still active"), widget=forms.CheckboxSelectMultiple)
    field_order = ("only", "reason")

    def __init__(self, *args: Any, found: Sequence[Descendant], **options: Any) -> None:
        super().__init__(*args, **options)
        field = cast(forms.MultipleChoiceField, self.fields["only"])
        field.choices = [(descendant.id, _line(descendant)) for descendant in found]
        field.initial = [descendant.id for descendant in found]

    def action_arguments(self) -> dict[str, Any]:
        """Return the arguments of ``end_descendants``."""
        return {"only": self.cleaned_data["only"], "reason": self.cleaned_data["reason"]}


KIND_LABELS = {
    "api_key": _("API key"),
    "sdk_key": _("SDK key"),
    "user": _("Member"),
    "invitation": _("Invitation"),
    "endpoint": _("Webhook endpoint"),
}


def _line(descendant: Descendant) -> str:
    words = {
        "kind": KIND_LABELS[descendant.kind],
        "name": descendant.name,
        "creator": descendant.created_by_label,
        "day": format_date_for_reader(timezone.localtime(descendant.created_at), "date"),
    }
    return gettext("%(kind)s “%(name)s”, created by %(creator)s, %(day)s") % words


def try_change(
    form: StepUpForm,
    change: Callable[..., Any],
    key: SecretKey,
    field_names: Mapping[str, str] | None = None,
    **values: Any,
) -> bool:
    """Consume the form token and apply the change; return False and add the errors to the form where it is refused.

    ``field_names``: form fields by the action's field names.
    """
    try:
        with transaction.atomic():
            form.consume_token()
            change(actor=form.request.actor, key_id=key.public_id, **values)
    except AlreadySubmitted:
        pass  # applied by the first submission
    except PortalError as error:
        add_action_errors(form, error, field_names)
        return False
    return True


def one_click_actions(
    request: PortalRequest, key: SecretKey, routes: Mapping[str, str], permission: Permission
) -> dict[str, dict[str, Any]]:
    """Return path and form token of each button (``enable``, ``release``) that state and permissions allow.

    ``routes``: the route name of each button; routes take the organization's slug and the key's public id.
    """
    if key.is_revoked_or_expired or not request.actor.can(permission):
        return {}
    args = [request.organization.slug, key.public_id]
    paths = {name: reverse(route, args=args) for name, route in routes.items() if CHANGES[name].applies_to(key)}
    return {name: {"path": path, "token": form_token(request, path)} for name, path in paths.items()}

"""Forms for API keys: creation and change. They only validate; actions save."""

from collections.abc import Mapping
from typing import Any, cast

from django import forms
from django.utils.datastructures import MultiValueDict
from django.utils.translation import gettext_lazy as _

from apps.api_keys.actions import WINDOWS
from apps.api_keys.key_query import effective_limit
from apps.api_keys.key_texts import KeyTextsForm, texts_of
from apps.api_keys.models import ApiKey, KeyType
from apps.api_keys.view_models.scope_grid import LEVELS, ScopeChoices, other_scopes, resource_rows
from apps.api_keys.view_models.type_cards import KeyTypeOptions
from apps.base.permissions import ADMIN
from apps.base.web.client_address import UNKNOWN
from apps.base.web.forms import RequestForm
from apps.credentials.lifecycle.forms import LIFETIME_FIELDS, KeyChangeForm, LifetimeForm

CHOOSE = "choose"
DAYS = ("30", "60", "90")
FIELD_OF_ERROR = {
    **LIFETIME_FIELDS,
    "allowed_networks": "networks",
    "limits": "limit_minute",
}


class AccessFields(RequestForm):
    """Scopes as a level for each resource (``access_orders``), as plain ``scopes``, or all at once (``access``).

    A disabled choice that is sent anyway is rejected by the action, with its reason.
    """

    data: MultiValueDict[str, Any]
    access = forms.ChoiceField(label=_("Access"), required=False)
    scopes = forms.MultipleChoiceField(label=_("Access"), required=False)

    def set_scope_choices(self, scope_choices: ScopeChoices) -> None:
        """Add the choices and the fields of the resources."""
        self.scope_choices = scope_choices
        names = [scope.name for scope in scope_choices.scopes]
        self._choices("scopes", [(name, name) for name in (*names, ADMIN)])
        self._choices("access", [(word, word) for word in (CHOOSE, *LEVELS, ADMIN)])
        for name in scope_choices.fields():
            self.fields[name] = forms.CharField(required=False, max_length=80)

    def _choices(self, field: str, choices: list[tuple[str, Any]]) -> None:
        cast(forms.ChoiceField, self.fields[field]).choices = choices

    def chosen(self) -> set[str]:
        """Return the selected scopes, as submitted or initially."""
        if not self.is_bound:
            return set(self.initial.get("scopes", ()))
        levels = {self.data.get(name, "") for name in self.fields if name.startswith("access_")}
        return {*self.data.getlist("scopes"), *levels} - {""}

    @property
    def quick(self) -> str:
        """Return the quick choice: ``read``, ``write``, ``admin``, or ``choose`` for single scopes."""
        picked = self.data.get("access", "") if self.is_bound else self.initial.get("access", "")
        return picked if picked in (*LEVELS, ADMIN) else CHOOSE

    def extra_context(self) -> dict[str, Any]:
        """Return the context of ``api_keys/_access.html``, and the client's IP address if it is known."""
        chosen, address = self.chosen(), self.request.client_address
        access = {
            "lines": resource_rows(self.scope_choices, chosen),
            "singles": other_scopes(self.scope_choices, chosen),
            "quick": self.quick,
            "may_be_admin": self.scope_choices.can_choose_admin,
            "contact": self.scope_choices.contact,
        }
        return {"access": access, "client_ip": "" if address == UNKNOWN else address}

    def wanted_scopes(self) -> set[str]:
        """Return the scopes for the key, the quick choice included."""
        if self.quick == ADMIN:
            return {ADMIN}
        if self.quick == CHOOSE:
            return self.chosen()
        return {*self.scope_choices.scopes_of_level(self.quick), *self.cleaned_data["scopes"]}


def networks_in(text: str) -> list[str]:
    """Split the text at line breaks, spaces and commas."""
    return text.replace(",", "\n").split()


def limit_fields(key_type: KeyType, own: Mapping[str, int | None] | None = None) -> dict[str, forms.IntegerField]:
    """Return a field for each window, up to the type's limit.

    ``own``: the key's current limits. A higher one, or 0 (no limit), was set by an operator and stays valid.
    """
    labels = {"minute": _("Calls a minute"), "hour": _("Calls an hour")}
    found = {}
    for window in WINDOWS:
        maximum = effective_limit(window, None, getattr(key_type, f"limit_{window}"))
        hint = _("Empty: %(most)s, as for every key of this type.") if maximum else _("Empty: no limit.")
        found[f"limit_{window}"] = forms.IntegerField(
            label=labels[window],
            required=False,
            min_value=0 if (own or {}).get(window) == 0 else 1,
            max_value=max(maximum, (own or {}).get(window) or 0) if maximum else 2**31 - 1,
            help_text=hint % {"most": maximum} if maximum else hint,
        )
    return found


def limits_in(values: Mapping[str, Any]) -> dict[str, int | None]:
    """Return the limits by window; None for the type's."""
    return {window: values.get(f"limit_{window}") for window in WINDOWS}


class KeySettingsForm(AccessFields, KeyTextsForm):
    """The settings that can be chosen for a new key and changed later, in the order of the pages."""

    networks = forms.CharField(
        label=_("Allowed networks"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false", "autocapitalize": "off"}),
        help_text=_("One address or network a line, such as 203.0.113.0/24. Empty: from anywhere."),
    )

    def sort_fields(self) -> None:
        """Bring the fields into the order of the pages, which is that of the error summary."""
        self.order_fields([*KeyTextsForm.base_fields, "access", "scopes", "expires", "custom_days", "networks"])

    def settings(self) -> dict[str, Any]:
        """Return the arguments that ``actions.create_key`` and ``actions.update_key`` share, except ``limits``."""
        return {
            **self.texts(),
            "scopes": self.wanted_scopes(),
            "allowed_networks": networks_in(self.cleaned_data["networks"]),
        }


class CreateKeyForm(KeySettingsForm, LifetimeForm):
    """The settings of a new key of one type."""

    def __init__(self, *args: Any, type_options: KeyTypeOptions, key_type: KeyType, **options: Any) -> None:
        super().__init__(*args, **options)
        self.type_options, self.key_type = type_options, key_type
        self.set_scope_choices(type_options.scope_choices(key_type))
        if not key_type.needs_subject:
            del self.fields["subject"]
        self.fields.update(limit_fields(key_type))
        self.set_lifetime_choices(
            DAYS, type_options.max_lifetime_days(key_type), type_options.default_lifetime_days(key_type)
        )
        self.sort_fields()

    def action_arguments(self) -> dict[str, Any]:
        """Return the arguments of ``actions.create_key``."""
        return {
            **self.settings(),
            "key_type": self.key_type.name,
            "lifetime": self.lifetime,
            "limits": limits_in(self.cleaned_data),
        }


class ChangeKeyForm(KeySettingsForm, KeyChangeForm):
    """Changes the texts, networks and limits of a key, and removes scopes."""

    subject = None  # type: ignore[assignment]  # how a form leaves out a field that it inherits
    field_names = {"allowed_networks": "networks", "limits": "limit_minute"}

    def __init__(self, *args: Any, key: ApiKey, **options: Any) -> None:
        super().__init__(*args, initial=_as_is(key), **options)
        self.key = key
        self.fields["name"].help_text = ""  # it explains what to call a new key
        self.set_scope_choices(ScopeChoices.for_key(key))
        self.fields.update(limit_fields(key.key_type, {name: _limit(key, name) for name in WINDOWS}))
        self.sort_fields()

    def action_arguments(self) -> dict[str, Any]:
        """Return the arguments of ``actions.update_key``; unchanged limits are left out and not checked again."""
        asked = limits_in(self.cleaned_data)
        limits = {name: figure for name, figure in asked.items() if figure != _limit(self.key, name)}
        return {**self.settings(), "limits": limits}


def _as_is(key: ApiKey) -> dict[str, Any]:
    is_admin = ADMIN in key.scopes
    return {
        **texts_of(key),
        "access": ADMIN if is_admin else "",
        "scopes": [] if is_admin else key.scopes,
        "networks": "\n".join(key.allowed_networks),
        "limit_minute": key.limit_minute,
        "limit_hour": key.limit_hour,
    }


def _limit(key: ApiKey, window: str) -> int | None:
    figure: int | None = getattr(key, f"limit_{window}")
    return figure

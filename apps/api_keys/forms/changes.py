"""The form that changes a key."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from apps.api_keys.actions import WINDOWS
from apps.api_keys.forms.access import AccessFields
from apps.api_keys.forms.bounds import limit_fields, limits_in, network_field, networks_in
from apps.api_keys.models import ApiKey
from apps.api_keys.view_models.scope_grid import ScopeChoices
from apps.base.permissions import ADMIN
from apps.base.web.forms import LineField
from apps.credentials.lifecycle.forms import KeyChangeForm


class ChangeKeyForm(AccessFields, KeyChangeForm):
    """Changes the name, networks and limits of a key, and removes scopes."""

    name = LineField(label=_("Name"), max_length=100, widget=forms.TextInput(attrs={"autocomplete": "off"}))
    networks = network_field()
    field_names = {"allowed_networks": "networks", "limits": "limit_minute"}

    def __init__(self, *args: Any, key: ApiKey, **options: Any) -> None:
        super().__init__(*args, initial=_as_is(key), **options)
        self.key = key
        self.set_scope_choices(ScopeChoices.held_by(key))
        self.fields.update(limit_fields(key.key_type, {name: _limit(key, name) for name in WINDOWS}))
        self.order_fields(["name", "access", "scopes", "networks"])

    def for_action(self) -> dict[str, Any]:
        """Return the arguments of ``actions.update_key``; unchanged limits are left out and not checked again."""
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

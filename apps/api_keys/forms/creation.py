"""The second step of creating a key: its settings."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from apps.api_keys.forms.access import AccessFields
from apps.api_keys.forms.bounds import limit_fields, limits_in, network_field, networks_in
from apps.api_keys.models import KeyType
from apps.api_keys.view_models.type_cards import Offer
from apps.base.web.forms import LineField
from apps.credentials.lifecycle.forms import LIFETIME_FIELDS, LifetimeForm

DAYS = ("30", "60", "90")
FIELD_OF_ERROR = {
    **LIFETIME_FIELDS,
    "allowed_networks": "networks",
    "limits": "limit_minute",
}


class CreateKeyForm(AccessFields, LifetimeForm):
    """The settings of a new key of one type."""

    name = LineField(
        label=_("Name"),
        max_length=100,
        help_text=_("What runs with it, such as “Nightly export”."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    networks = network_field()

    def __init__(self, *args: Any, offer: Offer, kind: KeyType, **options: Any) -> None:
        super().__init__(*args, **options)
        self.offer, self.kind = offer, kind
        self.set_scope_choices(offer.scope_choices(kind))
        if kind.needs_subject:
            self.fields["subject"] = self._subject()
        self.fields.update(limit_fields(kind))
        self.offer_lifetimes(DAYS, offer.longest_days(kind), offer.usual_days(kind))
        self.order_fields(["name", "subject", "access", "scopes", "expires", "custom_days", "networks"])

    def _subject(self) -> LineField:
        return LineField(
            label=_("Client"),
            max_length=200,
            widget=forms.TextInput(attrs={"autocomplete": "off"}),
            help_text=_("Your reference of the client whose data it is, such as a client number."),
            error_messages={"required": _("A key of this type needs a subject: your reference of the client.")},
        )

    def for_action(self) -> dict[str, Any]:
        """Return the arguments of ``actions.create_key``."""
        values = self.cleaned_data
        return {
            "name": values["name"],
            "key_type": self.kind.name,
            "scopes": self.wanted_scopes(),
            "subject": values.get("subject", ""),
            "lifetime": self.lifetime,
            "allowed_networks": networks_in(values["networks"]),
            "limits": limits_in(values),
        }

"""Form fields for allowed networks and custom rate limits, shared by creation and change."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from apps.api_keys.actions import WINDOWS
from apps.api_keys.key_query import effective_limit
from apps.api_keys.models import KeyType


def network_field() -> forms.CharField:
    """Return the field for allowed networks, one per line."""
    return forms.CharField(
        label=_("Allowed networks"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false", "autocapitalize": "off"}),
        help_text=_("One address or network a line, such as 203.0.113.0/24. Empty: from anywhere."),
    )


def networks_in(text: str) -> list[str]:
    """Split the text at line breaks, spaces and commas."""
    return text.replace(",", "\n").split()


def limit_fields(kind: KeyType, own: Mapping[str, int | None] | None = None) -> dict[str, forms.IntegerField]:
    """Return a field for each window, up to the type's limit.

    ``own``: the key's current limits. A higher one, or 0 (no limit), was set by an operator and stays valid.
    """
    labels = {"minute": _("Calls a minute"), "hour": _("Calls an hour")}
    found = {}
    for window in WINDOWS:
        most = effective_limit(window, None, getattr(kind, f"limit_{window}"))
        hint = _("Empty: %(most)s, as for every key of this type.") if most else _("Empty: no limit.")
        found[f"limit_{window}"] = forms.IntegerField(
            label=labels[window],
            required=False,
            min_value=0 if (own or {}).get(window) == 0 else 1,
            max_value=max(most, (own or {}).get(window) or 0) if most else 2**31 - 1,
            help_text=hint % {"most": most} if most else hint,
        )
    return found


def limits_in(values: Mapping[str, Any]) -> dict[str, int | None]:
    """Return the limits by window; None for the type's."""
    return {window: values.get(f"limit_{window}") for window in WINDOWS}

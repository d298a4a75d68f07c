"""The texts that people write about an API key: declared once for the forms, the page of a key and its copies."""

from typing import Any

from django import forms
from django.forms import BoundField
from django.utils.translation import gettext_lazy as _

from apps.api_keys.models import ApiKey
from apps.base.web.forms import PlainTextField, RequestForm


class ReferenceField(PlainTextField):
    """A reference to something in another system, which pages show in a monospaced font."""


class KeyTextsForm(RequestForm):
    """The texts of a key, in the order of the pages. Each has the name of the model's field and the actions' parameter.

    A form that does not ask for one of them sets it to None.
    """

    name = PlainTextField(
        label=_("Name"),
        max_length=100,
        help_text=_("What runs with it, such as “Nightly export”."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    subject = ReferenceField(
        label=_("Client"),
        max_length=200,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        help_text=_("Your reference of the client whose data it is, such as a client number."),
        error_messages={"required": _("A key of this type needs a subject: your reference of the client.")},
    )

    @property
    def plain_fields(self) -> list[BoundField]:
        """The fields of the texts, for templates."""
        return [self[name] for name in KeyTextsForm.base_fields if name in self.fields]

    def texts(self) -> dict[str, str]:
        """Return the submitted texts by name."""
        return {field.name: self.cleaned_data[field.name] for field in self.plain_fields}


def texts_of(key: ApiKey) -> dict[str, str]:
    """Return the texts of a key by name, as initial values of a form."""
    return {name: getattr(key, name) for name in KeyTextsForm.base_fields}


def labelled_texts(key: ApiKey) -> list[dict[str, Any]]:
    """Return the texts of a key that are not empty, with their labels. The name is the heading of its page."""
    return [
        {"label": field.label, "text": text, "is_reference": isinstance(field, ReferenceField)}
        for name, field in KeyTextsForm.base_fields.items()
        if name != "name" and (text := getattr(key, name))
    ]

"""Errors of an action, beside the fields of the form that asked for it."""

from collections.abc import Mapping, Sequence

from django import forms

from apps.base.errors import PortalError, Text


def blame(form: forms.Form, error: PortalError, names: Mapping[str, str] | None = None) -> None:
    """This will put the error's sentences to their fields; ``names``: what the form calls a field of the body."""
    blamed: Mapping[str, Sequence[Text]] = error.fields or {"": [error.message]}
    for name, texts in blamed.items():
        field = (names or {}).get(name, name)
        form.add_error(field if field in form.fields else None, [str(text) for text in texts])

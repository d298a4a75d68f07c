"""Forms of the operators' admin for the catalogue: words are ticked in lists, so that a slip gives no right."""

from collections.abc import Callable
from typing import Any, ClassVar, cast

from django import forms
from django.utils.translation import gettext_lazy as _

from apps.api_keys import actions
from apps.api_keys.models import EVERY_SCOPE, KeyType, Package, Scope
from apps.base.errors import Invalid
from apps.base.web.forms import LineField


class Ticks(forms.MultipleChoiceField):
    """A list of words as check boxes; the value is a plain list in the order of the choices."""

    widget = forms.CheckboxSelectMultiple

    def clean(self, value: Any) -> list[str]:
        """Return the ticked words."""
        ticked = super().clean(value)
        return [str(word) for word, _label in cast(Any, self.choices) if word in ticked]

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Compare without regard to order."""
        return set(initial or ()) != set(data or ())


def checked(check: Callable[[str], None], value: str) -> str:
    """Return what an action's rule accepts, and put its refusal beside the field."""
    try:
        check(value)
    except Invalid as refusal:
        raise forms.ValidationError(str(refusal)) from None
    return value


def scope_choices(*first: tuple[str, Any]) -> list[tuple[str, Any]]:
    """Return every scope of the catalogue, after the given choices."""
    return [*first, *((scope.name, f"{scope.name} · {scope.label}") for scope in Scope.objects.all())]


class KeyTypeForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in the stubs alone
    """What keys of a type may do."""

    scopes = Ticks(label=_("scopes it may hold"), required=False, help_text=_("None ticked: its keys may do nothing."))

    class Meta:
        model = KeyType
        exclude: ClassVar[list[str]] = ["is_builtin"]
        field_classes: ClassVar[dict[str, Any]] = {"title": LineField, "description": LineField}

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        every = (EVERY_SCOPE, _("every scope, also those that are added later (but not admin)"))
        cast(forms.ChoiceField, self.fields["scopes"]).choices = scope_choices(every)

    def clean_name(self) -> str:
        """Refuse what the API could not carry."""
        return checked(actions.check_type_name, self.cleaned_data["name"])

    def clean(self) -> dict[str, Any]:
        """Refuse a usual lifetime that is longer than the longest."""
        values = super().clean() or {}
        if "default_days" in values and "longest_days" in values:
            try:
                actions.check_lifetimes(values["default_days"], values["longest_days"])
            except Invalid as refusal:
                for name, sentences in (refusal.fields or {}).items():
                    self.add_error(name, [str(sentence) for sentence in sentences])
        return values


class ScopeForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in the stubs alone
    """A word that keys may hold."""

    class Meta:
        model = Scope
        fields = ("name", "description", "position")
        field_classes: ClassVar[dict[str, Any]] = {"description": LineField}

    def clean_name(self) -> str:
        """Take ``resource:action``."""
        return checked(actions.check_scope_name, self.cleaned_data["name"])


class PackageForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in the stubs alone
    """What is switched off for one organization."""

    types_off = Ticks(label=_("key types switched off"), required=False)
    scopes_off = Ticks(label=_("scopes switched off"), required=False)

    class Meta:
        model = Package
        fields = ("organization", "types_off", "scopes_off", "contact")
        field_classes: ClassVar[dict[str, Any]] = {"contact": LineField}

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        types = [(kind.name, kind.title_text) for kind in KeyType.objects.filter(platform_only=False)]
        cast(forms.ChoiceField, self.fields["types_off"]).choices = types
        cast(forms.ChoiceField, self.fields["scopes_off"]).choices = scope_choices()

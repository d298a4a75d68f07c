"""Admin forms for the catalogue. Scopes and types are chosen from lists, so that a typing error grants nothing."""

from collections.abc import Callable
from typing import Any, ClassVar, cast

from django import forms
from django.utils.translation import gettext_lazy as _

from apps.api_keys import actions
from apps.api_keys.models import EVERY_SCOPE, KeyType, Package, Scope
from apps.base.errors import Invalid
from apps.base.web.forms import PlainTextField


class CheckboxListField(forms.MultipleChoiceField):
    """A list of names as checkboxes; the value is a plain list in the order of the choices."""

    widget = forms.CheckboxSelectMultiple

    def clean(self, value: Any) -> list[str]:
        """Return the checked names in the order of the choices."""
        checked_names = super().clean(value)
        return [str(name) for name, _label in cast(Any, self.choices) if name in checked_names]

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Compare without regard to order."""
        return set(initial or ()) != set(data or ())


def checked(check: Callable[[str], None], value: str) -> str:
    """Return a value that passes an action's rule; raise ValidationError with the rule's message if it does not."""
    try:
        check(value)
    except Invalid as refusal:
        raise forms.ValidationError(str(refusal)) from None
    return value


def scope_choices(*first: tuple[str, Any]) -> list[tuple[str, Any]]:
    """Return the given choices, then every scope of the catalogue."""
    return [*first, *((scope.name, f"{scope.name} · {scope.label}") for scope in Scope.objects.all())]


class KeyTypeForm(forms.ModelForm):  # type: ignore[type-arg]  # generic only in the stubs
    scopes = CheckboxListField(
        label=_("scopes it may hold"), required=False, help_text=_("None ticked: its keys may do nothing.")
    )

    class Meta:
        model = KeyType
        exclude: ClassVar[list[str]] = ["is_builtin"]
        field_classes: ClassVar[dict[str, Any]] = {"title": PlainTextField, "description": PlainTextField}

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        every = (EVERY_SCOPE, _("every scope, also those that are added later (but not admin)"))
        cast(forms.ChoiceField, self.fields["scopes"]).choices = scope_choices(every)

    def clean_name(self) -> str:
        """Check the form of the name."""
        return checked(actions.check_type_name, self.cleaned_data["name"])

    def clean(self) -> dict[str, Any]:
        """Check the default lifetime against the maximum."""
        values = super().clean() or {}
        if "default_days" in values and "longest_days" in values:
            try:
                actions.check_lifetimes(values["default_days"], values["longest_days"])
            except Invalid as refusal:
                for name, sentences in (refusal.fields or {}).items():
                    self.add_error(name, [str(sentence) for sentence in sentences])
        return values


class ScopeForm(forms.ModelForm):  # type: ignore[type-arg]  # generic only in the stubs
    class Meta:
        model = Scope
        fields = ("name", "description", "position")
        field_classes: ClassVar[dict[str, Any]] = {"description": PlainTextField}

    def clean_name(self) -> str:
        """Check that the name is ``resource:action``."""
        return checked(actions.check_scope_name, self.cleaned_data["name"])


class PackageForm(forms.ModelForm):  # type: ignore[type-arg]  # generic only in the stubs
    types_off = CheckboxListField(label=_("key types switched off"), required=False)
    scopes_off = CheckboxListField(label=_("scopes switched off"), required=False)

    class Meta:
        model = Package
        fields = ("organization", "types_off", "scopes_off", "contact")
        field_classes: ClassVar[dict[str, Any]] = {"contact": PlainTextField}

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        types = [(key_type.name, key_type.title_text) for key_type in KeyType.objects.filter(platform_only=False)]
        cast(forms.ChoiceField, self.fields["types_off"]).choices = types
        cast(forms.ChoiceField, self.fields["scopes_off"]).choices = scope_choices()

"""Forms of the operators' admin for the catalogue: words are ticked in lists, so that a slip gives no right."""

import re
from typing import Any, ClassVar, cast

from django import forms
from django.utils.translation import gettext_lazy as _

from apps.api_keys.models import EVERY_SCOPE, KeyType, Package, Scope
from apps.base.permissions import NOT_SCOPES

SCOPE_NAME = re.compile(r"[a-z][a-z0-9_]{0,38}:[a-z][a-z0-9_]{0,38}", re.ASCII)


class Ticks(forms.MultipleChoiceField):
    """A list of words as check boxes; the value is a plain list in the order of the choices."""

    widget = forms.CheckboxSelectMultiple

    def clean(self, value: Any) -> list[str]:
        """This will return the ticked words."""
        ticked = super().clean(value)
        return [str(word) for word, _label in cast(Any, self.choices) if word in ticked]

    def has_changed(self, initial: Any, data: Any) -> bool:
        """This will compare without regard to order."""
        return set(initial or ()) != set(data or ())


def scope_choices(*first: tuple[str, Any]) -> list[tuple[str, Any]]:
    """This will return every scope of the catalogue, after the given choices."""
    return [*first, *((scope.name, f"{scope.name} · {scope.label}") for scope in Scope.objects.all())]


class KeyTypeForm(forms.ModelForm):
    """What keys of a type may do."""

    scopes = Ticks(label=_("scopes it may hold"), required=False, help_text=_("None ticked: its keys may do nothing."))

    class Meta:
        model = KeyType
        exclude: ClassVar[list[str]] = ["is_builtin"]

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        every = (EVERY_SCOPE, _("every scope, also those that are added later (but not admin)"))
        cast(forms.ChoiceField, self.fields["scopes"]).choices = scope_choices(every)

    def clean(self) -> dict[str, Any]:
        """This will refuse a usual lifetime that is longer than the longest."""
        values = super().clean() or {}
        usual, longest = values.get("default_days"), values.get("longest_days")
        if longest is not None and (usual is None or usual > longest):
            self.add_error(
                "default_days", _("It cannot be longer than the longest lifetime, nor left empty beside one.")
            )
        return values


class ScopeForm(forms.ModelForm):
    """A word that keys may hold."""

    class Meta:
        model = Scope
        fields = ("name", "description", "position")

    def clean_name(self) -> str:
        """This will take ``resource:action`` and refuse the words that only people's roles may hold."""
        name = self.cleaned_data["name"]
        if not SCOPE_NAME.fullmatch(name):
            raise forms.ValidationError(_("Write it as resource:action, such as orders:read."))
        if name in NOT_SCOPES:
            raise forms.ValidationError(_("This is a right of people's roles; no key may hold it."))
        return name


class PackageForm(forms.ModelForm):
    """What is switched off for one organization."""

    types_off = Ticks(label=_("key types switched off"), required=False)
    scopes_off = Ticks(label=_("scopes switched off"), required=False)

    class Meta:
        model = Package
        fields = ("organization", "types_off", "scopes_off", "contact")

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        types = [(kind.name, kind.title_text) for kind in KeyType.objects.filter(platform_only=False)]
        cast(forms.ChoiceField, self.fields["types_off"]).choices = types
        cast(forms.ChoiceField, self.fields["scopes_off"]).choices = scope_choices()

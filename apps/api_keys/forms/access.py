"""The form fields for the scopes of a key."""

from typing import Any, cast

from django import forms
from django.utils.datastructures import MultiValueDict
from django.utils.translation import gettext_lazy as _

from apps.api_keys.view_models.scope_grid import LEVELS, ScopeChoices, grid, other_scopes
from apps.base.permissions import ADMIN
from apps.base.web.client_address import UNKNOWN
from apps.base.web.forms import RequestForm

CHOOSE = "choose"


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
            "lines": grid(self.scope_choices, chosen),
            "singles": other_scopes(self.scope_choices, chosen),
            "quick": self.quick,
            "may_be_admin": self.scope_choices.may_be_admin,
            "contact": self.scope_choices.contact,
        }
        return {"access": access, "client_ip": "" if address == UNKNOWN else address}

    def wanted_scopes(self) -> set[str]:
        """Return the scopes for the key, the quick choice included."""
        if self.quick == ADMIN:
            return {ADMIN}
        if self.quick == CHOOSE:
            return self.chosen()
        return {*self.scope_choices.every(self.quick), *self.cleaned_data["scopes"]}

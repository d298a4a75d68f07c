"""The part of a form that says what a key may do."""

from typing import Any, cast

from django import forms
from django.utils.datastructures import MultiValueDict
from django.utils.translation import gettext_lazy as _

from apps.api_keys.view_models.scope_grid import LEVELS, Rights, field_of, grid, single_rights
from apps.base.permissions import ADMIN
from apps.base.web.client_address import UNKNOWN
from apps.base.web.forms import RequestForm

CHOOSE = "choose"


class AccessFields(RequestForm):
    """Rights as a level for each resource (``access_orders``), as plain ``scopes``, or all at once (``access``).

    What the grid greys is for the action to refuse: its sentence says why.
    """

    data: MultiValueDict[str, Any]
    access = forms.ChoiceField(label=_("Access"), required=False)
    scopes = forms.MultipleChoiceField(label=_("Access"), required=False)

    def offer_rights(self, rights: Rights) -> None:
        """Set what can be chosen."""
        self.rights = rights
        names = [scope.name for scope in rights.scopes]
        self._choices("scopes", [(name, name) for name in (*names, ADMIN)])
        self._choices("access", [(word, word) for word in (CHOOSE, *LEVELS, ADMIN)])
        for scope in rights.scopes:
            if scope.action in LEVELS:
                self.fields[field_of(scope.resource)] = forms.CharField(required=False, max_length=80)

    def _choices(self, field: str, choices: list[tuple[str, Any]]) -> None:
        cast(forms.ChoiceField, self.fields[field]).choices = choices

    def chosen(self) -> set[str]:
        """Return the scopes that are picked in the grid and ticked, as typed or as proposed."""
        if not self.is_bound:
            return set(self.initial.get("scopes", ()))
        levels = {self.data.get(name, "") for name in self.fields if name.startswith("access_")}
        return {*self.data.getlist("scopes"), *levels} - {""}

    @property
    def quick(self) -> str:
        """The chosen way to say what the key may do: one by one, all reading, all writing, everything."""
        picked = self.data.get("access", "") if self.is_bound else self.initial.get("access", "")
        return picked if picked in (*LEVELS, ADMIN) else CHOOSE

    def extra_context(self) -> dict[str, Any]:
        """Return what ``api_keys/_access.html`` is drawn from, and the reader's address, where it is known."""
        chosen, address = self.chosen(), self.request.client_address
        access = {
            "lines": grid(self.rights, chosen),
            "singles": single_rights(self.rights, chosen),
            "quick": self.quick,
            "may_be_admin": self.rights.may_be_admin,
            "contact": self.rights.contact,
        }
        return {"access": access, "client_ip": "" if address == UNKNOWN else address}

    def wanted_scopes(self) -> set[str]:
        """Return the scopes that the key is to hold."""
        if self.quick == ADMIN:
            return {ADMIN}
        if self.quick == CHOOSE:
            return self.chosen()
        return {*self.rights.every(self.quick), *self.cleaned_data["scopes"]}

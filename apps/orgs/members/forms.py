"""Forms that change members and roles. Each requires a recent confirmation of identity."""

from collections.abc import Sequence
from typing import Any, cast

from django import forms
from django.utils.translation import gettext_lazy as _

from apps.base.web.forms import StepUpForm
from apps.orgs.models import Role


class RoleForm(StepUpForm):
    """The role of a member."""

    role = forms.ChoiceField(label=_("Role"), widget=forms.RadioSelect)

    def __init__(self, *args: Any, roles: Sequence[Role], **options: Any) -> None:
        super().__init__(*args, **options)
        cast(forms.ChoiceField, self.fields["role"]).choices = [(str(role), role.label) for role in roles]


class RemoveForm(StepUpForm):
    """Confirmation before a member is removed."""


class LeaveForm(StepUpForm):
    """Confirmation before leaving."""

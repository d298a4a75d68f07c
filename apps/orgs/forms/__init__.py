"""Forms about people: they clean values and save nothing."""

from apps.orgs.forms.invitations import AcceptForm, InviteForm
from apps.orgs.forms.members import LeaveForm, RemoveForm, RoleForm
from apps.orgs.forms.preferences import PreferencesForm

__all__ = ["AcceptForm", "InviteForm", "LeaveForm", "PreferencesForm", "RemoveForm", "RoleForm"]

"""Forms for keys: they clean values and save nothing."""

from apps.api_keys.forms.access import AccessFields
from apps.api_keys.forms.changes import ChangeKeyForm, RotateKeyForm
from apps.api_keys.forms.creation import FIELD_OF_ERROR, CreateKeyForm
from apps.api_keys.forms.states import ConfirmForm, DisableKeyForm, RevokeKeyForm

__all__ = [
    "FIELD_OF_ERROR",
    "AccessFields",
    "ChangeKeyForm",
    "ConfirmForm",
    "CreateKeyForm",
    "DisableKeyForm",
    "RevokeKeyForm",
    "RotateKeyForm",
]

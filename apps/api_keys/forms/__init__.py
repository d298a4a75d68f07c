"""Forms for keys. They only validate; actions save."""

from apps.api_keys.forms.access import AccessFields
from apps.api_keys.forms.changes import ChangeKeyForm
from apps.api_keys.forms.creation import FIELD_OF_ERROR, CreateKeyForm

__all__ = [
    "FIELD_OF_ERROR",
    "AccessFields",
    "ChangeKeyForm",
    "CreateKeyForm",
]

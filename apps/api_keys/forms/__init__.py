"""Forms for keys. They only validate; actions save."""

from apps.api_keys.forms.access import AccessFields
from apps.api_keys.forms.keys import FIELD_OF_ERROR, ChangeKeyForm, CreateKeyForm

__all__ = [
    "FIELD_OF_ERROR",
    "AccessFields",
    "ChangeKeyForm",
    "CreateKeyForm",
]

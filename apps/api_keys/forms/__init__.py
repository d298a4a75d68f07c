"""Forms for keys: they clean values and save nothing."""

from apps.api_keys.forms.creation import FIELD_OF_ERROR, CreateKeyForm
from apps.api_keys.forms.states import RevokeKeyForm

__all__ = ["FIELD_OF_ERROR", "CreateKeyForm", "RevokeKeyForm"]

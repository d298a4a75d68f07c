"""Configuration of the life-cycle pages (rotate, disable, revoke …) for API keys."""

from django.utils.translation import gettext_lazy as _

from apps.api_keys import actions, view_models
from apps.api_keys.forms import ChangeKeyForm
from apps.api_keys.models import ApiKey
from apps.credentials.lifecycle.pages import KeyPages

API_KEY_PAGES = KeyPages(
    name="api_key",
    model=ApiKey,
    actions=actions.KEY_ACTIONS,
    expiry_of_successor=actions.expiry_of_successor,
    view_models=view_models,
    change_form=ChangeKeyForm,
    list_route=lambda _key: "api_keys",
    list_label=_("All API keys"),
    released_message=_("“%(name)s” is released: it may do again what its rights allow."),
)

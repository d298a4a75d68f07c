"""Pages of Settings → Integration → API keys."""

from apps.api_keys.views.creation import key_create
from apps.api_keys.views.lists import key_list
from apps.api_keys.views.one_key import key_detail
from apps.api_keys.views.states import key_revoke

__all__ = ["key_create", "key_detail", "key_list", "key_revoke"]

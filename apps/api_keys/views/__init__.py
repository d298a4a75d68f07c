"""Pages of Settings → Integration → API keys."""

from apps.api_keys.views.creation import key_create
from apps.api_keys.views.inventory import key_inventory, key_inventory_csv
from apps.api_keys.views.lists import key_list
from apps.api_keys.views.one_key import key_detail, key_edit
from apps.api_keys.views.states import key_disable, key_enable, key_release, key_revoke, key_rotate
from apps.api_keys.views.usage import key_drain, key_usage, usage

__all__ = [
    "key_create",
    "key_detail",
    "key_disable",
    "key_drain",
    "key_edit",
    "key_enable",
    "key_inventory",
    "key_inventory_csv",
    "key_list",
    "key_release",
    "key_revoke",
    "key_rotate",
    "key_usage",
    "usage",
]

"""Pages of Settings → Integration → API keys."""

from apps.api_keys.views.creation import key_create
from apps.api_keys.views.inventory import key_inventory, key_inventory_csv
from apps.api_keys.views.key_pages import API_KEY_PAGES
from apps.api_keys.views.lists import key_detail, key_list
from apps.api_keys.views.usage import key_rotation_progress, key_usage, usage

__all__ = [
    "API_KEY_PAGES",
    "key_create",
    "key_detail",
    "key_inventory",
    "key_inventory_csv",
    "key_list",
    "key_rotation_progress",
    "key_usage",
    "usage",
]

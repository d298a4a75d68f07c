"""Pages of Settings → Integration → SDK keys."""

from apps.sdk_keys.views.creation import sdk_key_create
from apps.sdk_keys.views.devices import sdk_key_free
from apps.sdk_keys.views.lists import sdk_key_list, sdk_keys
from apps.sdk_keys.views.one_key import sdk_key_detail, sdk_key_edit
from apps.sdk_keys.views.states import (
    sdk_key_disable,
    sdk_key_enable,
    sdk_key_release,
    sdk_key_revoke,
    sdk_key_rotate,
)

__all__ = [
    "sdk_key_create",
    "sdk_key_detail",
    "sdk_key_disable",
    "sdk_key_edit",
    "sdk_key_enable",
    "sdk_key_free",
    "sdk_key_list",
    "sdk_key_release",
    "sdk_key_revoke",
    "sdk_key_rotate",
    "sdk_keys",
]

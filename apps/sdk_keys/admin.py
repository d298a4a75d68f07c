"""SDK keys, activation pools and devices in the admin: masked, and changed by actions only."""

from django.contrib import admin

from apps.audit.operator_admin import ReadOnlyAdmin
from apps.credentials.admin.key_changes import KeyChangesAdmin
from apps.credentials.key_status import TIMESTAMP_FIELDS
from apps.sdk_keys import actions
from apps.sdk_keys.models import Activation, ActivationPool, SdkKey


@admin.register(SdkKey)
class SdkKeyAdmin(KeyChangesAdmin, ReadOnlyAdmin):
    """SDK keys, masked."""

    change_key = staticmethod(actions.change_sdk_key)

    list_display = ("name", "mask", "organization", "platform", "app_id", "status", "expires_at", "created_at")
    list_select_related = ("organization",)
    search_fields = ("id", "organization", "mask")
    global_search_fields = ("id", "mask")
    global_search_columns = ("name", "mask", "organization", "status", "expires_at")
    organization_columns = ("name", "mask", "status", "expires_at")
    fields = (
        *("name", "mask", "organization", "platform", "app_id", "cert_sha256", "origins", "pool"),
        *("status", "expires_at", *TIMESTAMP_FIELDS),
        *("status_reason", "status_changed_by", "status_changed_at", "created_by_label", "created_at"),
    )


@admin.register(ActivationPool)
class ActivationPoolAdmin(ReadOnlyAdmin):
    """The device limit and active devices of a key and its successors."""

    list_display = ("public_id", "organization", "active_count", "activation_limit", "inactive_after_days")
    list_select_related = ("organization",)
    search_fields = ("id", "organization")
    fields = ("organization", "activation_limit", "active_count", "inactive_after_days", "full_since", "created_at")


@admin.register(Activation)
class ActivationAdmin(ReadOnlyAdmin):
    """Devices, without digests of ids and tokens."""

    list_display = ("public_id", "organization", "key", "created_at", "last_seen_at", "freed_at", "freed_because")
    list_select_related = ("organization", "key")
    search_fields = ("id", "organization")
    global_search_fields = ("id",)
    fields = (
        *("organization", "key", "pool", "app_version", "os_version", "created_at", "last_seen_at", "last_seen_from"),
        *("expires_at", "freed_at", "freed_because"),
    )
    ordering = ("-pk",)

"""The catalogue of key types and scopes, and the keys, masked, in the operators' admin."""

from django.contrib import admin
from django.db import models

from apps.api_keys.models import ApiKey, KeyHabit, KeyType, Scope
from apps.audit.operators import AuditedAdmin, ReadOnlyAdmin
from apps.credentials import gate


class CatalogueAdmin(AuditedAdmin):
    """A part of the catalogue that the gate reads."""

    def after_change(self, obj: models.Model) -> None:
        """This will make the gate read every key again at its next call."""
        gate.catalogue_changed()


@admin.register(KeyType)
class KeyTypeAdmin(CatalogueAdmin):
    """What keys of a type may do."""

    audit_kind = "key_type"
    list_display = ("name", "title", "limit_minute", "limit_hour", "cap", "longest_days", "is_active")
    readonly_fields = ("is_builtin",)


@admin.register(Scope)
class ScopeAdmin(CatalogueAdmin):
    """Words that keys may hold."""

    audit_kind = "scope"
    list_display = ("name", "description", "is_builtin")
    readonly_fields = ("is_builtin",)


@admin.register(ApiKey)
class ApiKeyAdmin(ReadOnlyAdmin):
    """Keys, as masks."""

    list_display = ("name", "mask", "organization", "key_type", "status", "expires_at", "created_at")
    list_select_related = ("organization", "key_type")
    search_fields = ("name", "key_id__exact", "last_four__exact")
    fields = (
        "name",
        "mask",
        "organization",
        "key_type",
        "scopes",
        "subject",
        "status",
        "allowed_networks",
        "limit_minute",
        "limit_hour",
        "expires_at",
        "revoked_at",
        "status_reason",
        "created_by_label",
        "created_at",
    )


@admin.register(KeyHabit)
class KeyHabitAdmin(ReadOnlyAdmin):
    """What unusual use of a key is measured against."""

    list_display = ("key", "learned_at", "first_hour", "hours", "busiest_hour", "calls", "refused")
    list_select_related = ("key",)
    ordering = ("-learned_at",)

"""Admin pages of the catalogue and of the keys, which are masked and read-only."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from apps.api_keys import actions
from apps.api_keys.admin.forms import KeyTypeForm, PackageForm, ScopeForm
from apps.api_keys.models import ApiKey, KeyHabit, KeyType, Package, Scope
from apps.audit.operator_admin import AuditedAdmin, ReadOnlyAdmin
from apps.base.extension_points.descendants import descendants
from apps.credentials.admin.key_changes import KeyChangesAdmin
from apps.credentials.key_status import TIMESTAMP_FIELDS

# Objects that a key created and that are named on its page.
MAX_LISTED = 50


class CatalogueAdmin(AuditedAdmin):
    """A part of the catalogue that the gate reads. Names cannot be changed after creation."""

    fixed_fields: tuple[str, ...] = ("name",)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Allow it for objects that are not built in; the action checks whether they are in use."""
        return super().has_delete_permission(request, obj) and not (obj and obj.is_builtin)


@admin.register(KeyType)
class KeyTypeAdmin(CatalogueAdmin):
    form = KeyTypeForm
    audit_kind = "key_type"
    save_action = staticmethod(actions.save_key_type)
    delete_action = staticmethod(actions.delete_key_type)
    list_display = ("name", "title", "limit_minute", "limit_hour", "cap", "longest_days", "made_by", "is_active")
    list_filter = ("is_active", "made_by")
    search_fields = ("name__icontains", "title__icontains")
    ordering = ("position", "name")
    readonly_fields = ("is_builtin",)
    fixed_fields = ("name", "platform_only")


@admin.register(Scope)
class ScopeAdmin(CatalogueAdmin):
    form = ScopeForm
    audit_kind = "scope"
    save_action = staticmethod(actions.save_scope)
    delete_action = staticmethod(actions.delete_scope)
    list_display = ("name", "description", "is_builtin")
    list_filter = ("is_builtin",)
    search_fields = ("name__icontains", "description__icontains")
    ordering = ("position", "name")
    readonly_fields = ("is_builtin",)


@admin.register(Package)
class PackageAdmin(AuditedAdmin):
    """Key types and scopes that are disabled for an organization."""

    form = PackageForm
    audit_kind = "package"
    save_action = staticmethod(actions.save_package)
    list_display = ("organization", "types_off", "scopes_off", "contact")
    list_select_related = ("organization",)
    search_fields = ("organization",)
    autocomplete_fields = ("organization",)
    fixed_fields = ("organization",)


@admin.register(ApiKey)
class ApiKeyAdmin(KeyChangesAdmin, ReadOnlyAdmin):
    """Keys, masked. They are created on the organization's pages, through the API or by the command."""

    change_key = staticmethod(actions.change_key)

    list_display = ("name", "mask", "organization", "key_type", "status", "expires_at", "created_at")
    list_select_related = ("organization", "key_type")
    search_fields = ("id", "organization", "mask")
    global_search_fields = ("id", "mask")
    global_search_columns = ("name", "mask", "organization", "status", "expires_at")
    organization_columns = ("name", "mask", "status", "expires_at")
    fields = (
        *("name", "mask", "organization", "key_type", "scopes", "subject", "status", "allowed_networks"),
        *("limit_minute", "limit_hour", "expires_at", *TIMESTAMP_FIELDS),
        *("status_reason", "status_changed_by", "status_changed_at", "created_by_label", "created_at"),
        "still_active",
    )

    @admin.display(description=_("Created by it and still active"))
    def still_active(self, key: ApiKey) -> str:
        """Name the active objects that the key created; revoking the key only revokes its self-rotated successors."""
        found = descendants(key.organization_id, key.public_id)
        return ", ".join(f"{each.name} ({each.id})" for each in found[:MAX_LISTED]) or "–"


@admin.register(KeyHabit)
class KeyHabitAdmin(ReadOnlyAdmin):
    """The baseline against which unusual use of a key is detected."""

    list_display = ("key", "learned_at", "first_hour", "hours", "busiest_hour", "calls", "refused")
    list_select_related = ("key",)
    search_fields = ("key__key_id",)
    fields = (*list_display, "networks")

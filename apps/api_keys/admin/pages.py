"""Admin pages of the catalogue and of the keys, which are masked and read-only."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from apps.api_keys import actions
from apps.api_keys.admin.forms import KeyTypeForm, PackageForm, ScopeForm
from apps.api_keys.models import ApiKey, KeyHabit, KeyType, Package, Scope
from apps.audit.operator_admin import AuditedAdmin, ReadOnlyAdmin
from apps.base.actor import Actor
from apps.base.extension_points.descendants import descendants
from apps.credentials.admin.key_changes import KeyChangesAdmin
from apps.credentials.key_status import TIMESTAMP_FIELDS

# Objects that a key created and that are named on its page.
MAX_LISTED = 50


class CatalogueAdmin(AuditedAdmin):
    """A part of the catalogue that the gate reads. Names cannot be changed after creation."""

    is_removable = True
    fixed_names: tuple[str, ...] = ("name",)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Make the name of an existing object read-only."""
        return (*self.readonly_fields, *self.fixed_names) if obj else tuple(self.readonly_fields)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Allow it for objects that are not built in; the action checks whether they are in use."""
        return super().has_delete_permission(request, obj) and not (obj and obj.is_builtin)


@admin.register(KeyType)
class KeyTypeAdmin(CatalogueAdmin):
    form = KeyTypeForm
    audit_kind = "key_type"
    list_display = ("name", "title", "limit_minute", "limit_hour", "cap", "longest_days", "made_by", "is_active")
    list_filter = ("is_active", "made_by")
    search_fields = ("name~", "title~")
    ordering = ("position", "name")
    readonly_fields = ("is_builtin",)
    fixed_names = ("name", "platform_only")

    def save_action(self, actor: Actor, row: Any, changes: Any, is_new: bool) -> None:
        """Add or change the type."""
        actions.save_key_type(actor=actor, row=row, changes=changes)

    def remove(self, actor: Actor, row: Any) -> None:
        """Delete a type that no key has."""
        actions.delete_key_type(actor=actor, row=row)


@admin.register(Scope)
class ScopeAdmin(CatalogueAdmin):
    form = ScopeForm
    audit_kind = "scope"
    list_display = ("name", "description", "is_builtin")
    list_filter = ("is_builtin",)
    search_fields = ("name~", "description~")
    ordering = ("position", "name")
    readonly_fields = ("is_builtin",)

    def save_action(self, actor: Actor, row: Any, changes: Any, is_new: bool) -> None:
        """Add or change the scope."""
        actions.save_scope(actor=actor, row=row, changes=changes)

    def remove(self, actor: Actor, row: Any) -> None:
        """Delete a scope that is not in use."""
        actions.delete_scope(actor=actor, row=row)


@admin.register(Package)
class PackageAdmin(AuditedAdmin):
    """Key types and scopes that are disabled for an organization."""

    form = PackageForm
    audit_kind = "package"
    list_display = ("organization", "types_off", "scopes_off", "contact")
    list_select_related = ("organization",)
    search_fields = ("organization",)
    autocomplete_fields = ("organization",)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Make the organization of an existing package read-only."""
        return ("organization",) if obj else ()

    def save_action(self, actor: Actor, row: Any, changes: Any, is_new: bool) -> None:
        """Disable or enable types and scopes, recorded in the organization's audit log."""
        actions.save_package(actor=actor, row=row, changes=changes)


@admin.register(ApiKey)
class ApiKeyAdmin(KeyChangesAdmin, ReadOnlyAdmin):
    """Keys, masked. They are created on the organization's pages, through the API or by the command."""

    change_key = staticmethod(actions.change_key)

    list_display = ("name", "mask", "organization", "key_type", "status", "expires_at", "created_at")
    list_select_related = ("organization", "key_type")
    search_fields = ("id", "organization", "mask")
    found_by = ("id", "mask")
    found_columns = ("name", "mask", "organization", "status", "expires_at")
    of_organization = ("name", "mask", "status", "expires_at")
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

"""The catalogue of key types and scopes, and the keys, masked, in the operators' admin."""

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

# Of what a key created, on its page.
MOST_NAMED = 50


class CatalogueAdmin(AuditedAdmin):
    """A part of the catalogue that the gate reads. A name that keys were made by stays what it is."""

    is_removable = True
    fixed_names: tuple[str, ...] = ("name",)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Fix the name of what is there already."""
        return (*self.readonly_fields, *self.fixed_names) if obj else tuple(self.readonly_fields)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Offer it for what operators added; whether anything uses it is the action's to say."""
        return super().has_delete_permission(request, obj) and not (obj and obj.is_builtin)


@admin.register(KeyType)
class KeyTypeAdmin(CatalogueAdmin):
    """What keys of a type may do."""

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
        """Delete a type that no key was made by."""
        actions.delete_key_type(actor=actor, row=row)


@admin.register(Scope)
class ScopeAdmin(CatalogueAdmin):
    """Words that keys may hold."""

    form = ScopeForm
    audit_kind = "scope"
    list_display = ("name", "description", "is_builtin")
    list_filter = ("is_builtin",)
    search_fields = ("name~", "description~")
    ordering = ("position", "name")
    readonly_fields = ("is_builtin",)

    def save_action(self, actor: Actor, row: Any, changes: Any, is_new: bool) -> None:
        """Add the scope or change its words."""
        actions.save_scope(actor=actor, row=row, changes=changes)

    def remove(self, actor: Actor, row: Any) -> None:
        """Delete a scope that nothing names."""
        actions.delete_scope(actor=actor, row=row)


@admin.register(Package)
class PackageAdmin(AuditedAdmin):
    """What the vendor's product package leaves out for an organization."""

    form = PackageForm
    audit_kind = "package"
    list_display = ("organization", "types_off", "scopes_off", "contact")
    list_select_related = ("organization",)
    search_fields = ("organization",)
    autocomplete_fields = ("organization",)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Fix whose package it is."""
        return ("organization",) if obj else ()

    def save_action(self, actor: Actor, row: Any, changes: Any, is_new: bool) -> None:
        """Switch types and scopes off or on, in the organization's own log."""
        actions.save_package(actor=actor, row=row, changes=changes)


@admin.register(ApiKey)
class ApiKeyAdmin(KeyChangesAdmin, ReadOnlyAdmin):
    """Keys, as masks. No way to make one: that is an action of the organization's pages, the API and the command."""

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
        """Name what the key created and still works: ending the key ends none of it but its own successors."""
        found = descendants(key.organization_id, key.public_id)
        return ", ".join(f"{each.name} ({each.id})" for each in found[:MOST_NAMED]) or "–"


@admin.register(KeyHabit)
class KeyHabitAdmin(ReadOnlyAdmin):
    """What unusual use of a key is measured against."""

    list_display = ("key", "learned_at", "first_hour", "hours", "busiest_hour", "calls", "refused")
    list_select_related = ("key",)
    search_fields = ("key__key_id",)
    fields = (*list_display, "networks")

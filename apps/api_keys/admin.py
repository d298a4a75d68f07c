"""The catalogue of key types and scopes, and the keys, masked, in the operators' admin."""

from typing import Any

from django.contrib import admin
from django.db import models
from django.http import HttpRequest

from apps.api_keys.models import ApiKey, KeyHabit, KeyType, Package, Scope
from apps.api_keys.operator_forms import KeyTypeForm, PackageForm, ScopeForm
from apps.audit.operators import AuditedAdmin, ReadOnlyAdmin
from apps.credentials import gate


class CatalogueAdmin(AuditedAdmin):
    """A part of the catalogue that the gate reads. A name that keys were made by stays what it is."""

    def after_change(self, obj: models.Model) -> None:
        """This will make the gate read every key again at its next call."""
        gate.catalogue_changed()

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """This will fix the name of what is there already."""
        return (*self.readonly_fields, "name") if obj else tuple(self.readonly_fields)


@admin.register(KeyType)
class KeyTypeAdmin(CatalogueAdmin):
    """What keys of a type may do."""

    form = KeyTypeForm
    audit_kind = "key_type"
    list_display = ("name", "title", "limit_minute", "limit_hour", "cap", "longest_days", "made_by", "is_active")
    readonly_fields = ("is_builtin",)


@admin.register(Scope)
class ScopeAdmin(CatalogueAdmin):
    """Words that keys may hold."""

    form = ScopeForm
    audit_kind = "scope"
    list_display = ("name", "description", "is_builtin")
    readonly_fields = ("is_builtin",)


@admin.register(Package)
class PackageAdmin(AuditedAdmin):
    """What the vendor's product package leaves out for an organization."""

    form = PackageForm
    audit_kind = "package"
    list_display = ("organization", "types_off", "scopes_off", "contact")
    list_select_related = ("organization",)
    search_fields = ("organization__name", "organization__slug")
    autocomplete_fields = ("organization",)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """This will fix whose package it is."""
        return ("organization",) if obj else ()

    def organization_of(self, obj: models.Model) -> Any:
        """This will put the entry into the organization's own log."""
        return obj.pk

    def after_change(self, obj: models.Model) -> None:
        """This will make the gate read the organization's keys again at their next call."""
        gate.organization_changed(obj.pk)


@admin.register(ApiKey)
class ApiKeyAdmin(ReadOnlyAdmin):
    """Keys, as masks. No way to make one: that is an action of the organization's pages, the API and the command."""

    list_display = ("name", "mask", "organization", "key_type", "status", "expires_at", "created_at")
    list_select_related = ("organization", "key_type")
    search_fields = ("id", "organization", "mask")
    fields = (
        *("name", "mask", "organization", "key_type", "scopes", "subject", "status", "allowed_networks"),
        *("limit_minute", "limit_hour", "expires_at", "overlap_since", "disabled_at", "quarantined_at", "revoked_at"),
        *("status_reason", "status_changed_by", "status_changed_at", "created_by_label", "created_at"),
    )


@admin.register(KeyHabit)
class KeyHabitAdmin(ReadOnlyAdmin):
    """What unusual use of a key is measured against."""

    list_display = ("key", "learned_at", "first_hour", "hours", "busiest_hour", "calls", "refused")
    list_select_related = ("key",)
    search_fields = ("key__key_id",)
    fields = (*list_display, "networks")

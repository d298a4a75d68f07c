"""Organizations and people in the operators' admin."""

from typing import Any

from django.contrib import admin
from django.db import models

from apps.audit.operators import AuditedAdmin, ReadOnlyAdmin
from apps.credentials import gate
from apps.orgs.models import Invitation, Membership, Organization, OrganizationStatus, OutgoingMail, User
from apps.webhooks import actions as webhooks


@admin.register(Organization)
class OrganizationAdmin(AuditedAdmin):
    """An organization: its name, whether it may be used, its ceilings."""

    audit_kind = "organization"
    list_display = ("name", "slug", "status", "created_at")
    list_filter = ("status",)
    search_fields = ("name", "slug")
    fields = (
        *("name", "slug", "status", "status_reason", "ceiling_per_minute", "endpoint_limit", "leak_policy"),
        "created_at",
    )
    readonly_fields = ("slug", "created_at")

    def has_add_permission(self, request: Any) -> bool:
        """This will refuse: `manage.py create_organization` makes one together with its owner."""
        return False

    def action_name(self, change: bool, before: dict[str, Any], obj: Any) -> str:
        """This will name a suspension and its end as what they are."""
        if "status" in before and obj.status == OrganizationStatus.SUSPENDED:
            return "organization.suspended"
        if before.get("status") == OrganizationStatus.SUSPENDED:
            return "organization.resumed"
        return "organization.updated"

    def organization_of(self, obj: models.Model) -> Any:
        """This will put the entry into the organization's own log."""
        return obj.pk

    def after_change(self, obj: Any) -> None:
        """This will make the gate see the new state at its next call, and hold or release what waits to be sent."""
        gate.organization_changed(obj.pk)
        if obj.status == OrganizationStatus.ACTIVE:
            webhooks.release_after_suspension(organization_id=obj.pk)
        else:
            webhooks.hold_for_suspension(organization_id=obj.pk)


@admin.register(User)
class UserAdmin(ReadOnlyAdmin):
    """People, without anything that lets anybody in."""

    list_display = ("email", "name", "is_active", "is_staff", "last_login", "created_at")
    search_fields = ("email", "name")
    fields = ("email", "name", "language", "is_active", "is_staff", "last_login", "created_at")


@admin.register(Membership)
class MembershipAdmin(ReadOnlyAdmin):
    """Who belongs where."""

    list_display = ("user", "organization", "role", "created_at", "last_seen_at")
    list_select_related = ("user", "organization")
    search_fields = ("user__email", "organization__slug")


@admin.register(Invitation)
class InvitationAdmin(ReadOnlyAdmin):
    """Who was invited where; without the link."""

    list_display = ("email", "organization", "role", "status", "created_at", "expires_at")
    list_select_related = ("organization",)
    list_filter = ("status",)
    search_fields = ("email", "organization__slug")
    fields = ("email", "organization", "role", "status", "created_at", "expires_at", "closed_at", "invited_by_label")


@admin.register(OutgoingMail)
class OutgoingMailAdmin(ReadOnlyAdmin):
    """Mail that waits or was sent."""

    list_display = ("to", "subject", "created_at", "sent_at", "attempts", "last_error")
    ordering = ("-id",)

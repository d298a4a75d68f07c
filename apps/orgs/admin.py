"""Organizations and people in the operators' admin."""

from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib import admin
from django.db import models
from django.utils.translation import gettext_lazy as _

from apps.audit.operators import AuditedAdmin, ReadOnlyAdmin
from apps.credentials import gate
from apps.orgs.models import Membership, OperatorLook, Organization, OrganizationStatus, OutgoingMail, User
from apps.orgs.operators import LookingAdmin
from apps.webhooks import actions as webhooks

MOST_NAMED = 20


@admin.register(Organization)
class OrganizationAdmin(LookingAdmin, AuditedAdmin):
    """An organization: its name, whether it may be used, its ceilings."""

    audit_kind = "organization"
    list_display = ("name", "slug", "status", "created_at")
    list_filter = ("status",)
    search_fields = ("id", "slug^", "name~")
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
    list_filter = ("is_staff", "is_active")
    search_fields = ("id", "email^")
    fields = (
        *("email", "name", "language", "is_active", "is_staff", "last_login", "created_at", "addresses"),
        *("second_steps", "sessions", "organizations"),
    )

    @admin.display(description=_("addresses"))
    def addresses(self, user: Any) -> str:
        """Which addresses belong to the account, and which are confirmed."""
        rows = EmailAddress.objects.filter(user=user).order_by("-primary", "email")
        return ", ".join(f"{row.email} ({_('confirmed') if row.verified else _('not confirmed')})" for row in rows)

    @admin.display(description=_("two-step sign-in"))
    def second_steps(self, user: Any) -> Any:
        """Which second factors there are, by kind: what is in them is nobody's to see."""
        rows = Authenticator.objects.filter(user=user).order_by("pk")
        return ", ".join(str(row.get_type_display()) for row in rows) or _("none")

    @admin.display(description=_("sessions"))
    def sessions(self, user: Any) -> int:
        """How many sessions are known, without what would open them."""
        return UserSession.objects.filter(user=user).count()

    @admin.display(description=_("organizations"))
    def organizations(self, user: Any) -> Any:
        """Where the person belongs, and as what."""
        rows = Membership.objects.filter(user=user).select_related("organization")[:MOST_NAMED]
        return ", ".join(f"{row.organization} ({row.get_role_display()})" for row in rows) or _("none")


@admin.register(Membership)
class MembershipAdmin(ReadOnlyAdmin):
    """Who belongs where."""

    list_display = ("user", "organization", "role", "created_at", "last_seen_at")
    list_select_related = ("user", "organization")
    list_filter = ("role",)
    search_fields = ("organization", "user", "user__email")
    fields = list_display


@admin.register(OutgoingMail)
class OutgoingMailAdmin(ReadOnlyAdmin):
    """Mail that waits or was sent, without its text: that may hold a link which lets somebody in."""

    list_display = ("to", "subject", "created_at", "sent_at", "attempts", "last_error")
    search_fields = ("id",)
    fields = ("to", "subject", "created_at", "sent_at", "attempts", "next_attempt_at", "last_error")


@admin.register(OperatorLook)
class OperatorLookAdmin(ReadOnlyAdmin):
    """Which operator looked at whose pages, when and why."""

    list_display = ("started_at", "operator", "organization", "reason", "until", "ended_at", "pages")
    list_select_related = ("operator", "organization")
    search_fields = ("organization", "operator__email")
    fields = list_display

"""Organizations, users and mail in the operators' admin."""

from collections.abc import Sequence
from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib import admin
from django.db import transaction
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from apps.audit.operator_admin import (
    AuditedAdmin,
    Panel,
    ReadOnlyAdmin,
    SummaryLine,
    operator_of,
    organization_panels,
    table,
)
from apps.base.actor import Actor
from apps.orgs.admin import mail_panels
from apps.orgs.lifecycle import closing, suspension
from apps.orgs.mail.recipients import GROUPS
from apps.orgs.models import (
    Invitation,
    Membership,
    OperatorLook,
    Organization,
    OrganizationStatus,
    OutgoingMail,
    User,
)
from apps.orgs.settings import organization_settings
from apps.orgs.settings.forms import OrganizationAdminForm
from apps.orgs.support_access.admin import SupportAccessAdmin

MAX_LISTED = 20


@admin.register(Organization)
class OrganizationAdmin(SupportAccessAdmin, AuditedAdmin):
    """Organizations: settings, limits and status. Each change runs the action of the same name."""

    form = OrganizationAdminForm
    list_display = ("name", "slug", "status", "created_at", "closed_at", "kept_until")
    list_filter = ("status",)
    search_fields = ("id", "slug__startswith", "name__icontains")
    global_search_fields = search_fields
    global_search_columns = ("name", "slug", "status", "created_at")
    fields = (
        *("name", "slug", "status", "status_reason", "ceiling_per_minute", "endpoint_limit", "leak_policy"),
        *("longest_key_days", "two_step_required"),
        *("retention_days_audit", "retention_days_calls", "retention_days_deliveries"),
        *("mail_recipients", "created_at", "closed_at", "kept_until", "purged_at"),
    )
    readonly_fields = ("slug", "mail_recipients", "created_at", "closed_at", "purged_at")

    def panels(self, row: Organization) -> Sequence[Panel]:
        """Return the newest related objects of each kind, with links to all of them."""
        return organization_panels(row)

    def has_add_permission(self, request: Any) -> bool:
        """Return False: `manage.py create_organization` creates an organization together with its owner."""
        return False

    def get_readonly_fields(self, request: Any, obj: Any = None) -> tuple[str, ...]:
        """Let ``kept_until`` be changed for closed organizations only."""
        is_closed = obj is not None and obj.status == OrganizationStatus.CLOSED and obj.purged_at is None
        fixed = tuple(super().get_readonly_fields(request, obj))
        return fixed if is_closed else (*fixed, "kept_until")

    def save_model(self, request: Any, obj: Any, form: Any, change: bool) -> None:
        """Apply the changes through the organization's actions, each with its audit entry."""
        actor = operator_of(request)
        with transaction.atomic():
            changed = {name: form.cleaned_data[name] for name in form.changed_settings()}
            if changed:
                organization_settings.update_settings(actor=actor, organization_id=obj.pk, **changed)
            if {"status", "status_reason"}.intersection(form.changed_data):
                _set_status(actor, form.original, form.cleaned_data["status"], form.cleaned_data["status_reason"])


def _set_status(actor: Actor, organization: Organization, status: str, reason: str) -> None:
    if status == OrganizationStatus.SUSPENDED:
        suspension.suspend_organization(actor=actor, organization_id=organization.pk, reason=reason)
    elif status == OrganizationStatus.ACTIVE and organization.status == OrganizationStatus.SUSPENDED:
        suspension.resume_organization(actor=actor, organization_id=organization.pk)
    elif status == OrganizationStatus.ACTIVE and organization.status == OrganizationStatus.CLOSED:
        closing.reopen_organization(actor=actor, organization_id=organization.pk)


@admin.register(User)
class UserAdmin(ReadOnlyAdmin):
    """Users, without passwords and secrets."""

    list_display = ("email", "name", "is_active", "is_staff", "last_login", "created_at")
    list_filter = ("is_staff", "is_active")
    search_fields = ("id", "member", "email__startswith")
    global_search_fields = search_fields
    global_search_columns = ("email", "name", "is_active", "last_login")
    fields = (
        *("email", "name", "language", "is_active", "is_staff", "last_login", "created_at", "addresses"),
        *("second_steps", "sessions", "organizations"),
    )

    def panels(self, row: User) -> Sequence[Panel]:
        """Return the user's memberships, mails and invitations."""
        memberships = Membership.objects.filter(user=row).select_related("organization")[:MAX_LISTED]
        columns = ("organization", "role", "last_seen_at", "declined_mail")
        memberships_panel = table(gettext("Memberships"), memberships, columns, empty=gettext("None."))
        panels = (memberships_panel, mail_panels.mails_to(row.email), mail_panels.invitations_to(row.email))
        return [panel for panel in panels if panel.rows or panel.empty]

    @admin.display(description=_("addresses"))
    def addresses(self, user: Any) -> str:
        """Return the addresses of the account, and which are confirmed."""
        rows = EmailAddress.objects.filter(user=user).order_by("-primary", "email")
        labels = {True: _("confirmed"), False: _("not confirmed")}
        return ", ".join(f"{row.email} ({labels[row.verified]})" for row in rows)

    @admin.display(description=_("two-step sign-in"))
    def second_steps(self, user: Any) -> Any:
        """Return the kinds of the user's second factors; their secrets are never shown."""
        rows = Authenticator.objects.filter(user=user).order_by("pk")
        return ", ".join(str(row.get_type_display()) for row in rows) or _("none")

    @admin.display(description=_("sessions"))
    def sessions(self, user: Any) -> int:
        """Return the number of sessions; their keys are never shown."""
        return UserSession.objects.filter(user=user).count()

    @admin.display(description=_("organizations"))
    def organizations(self, user: Any) -> Any:
        """Return the organizations of the user, with the role in each."""
        rows = Membership.objects.filter(user=user).select_related("organization")[:MAX_LISTED]
        return ", ".join(f"{row.organization} ({row.get_role_display()})" for row in rows) or _("none")


@admin.register(Membership)
class MembershipAdmin(ReadOnlyAdmin):
    """Memberships, read-only."""

    list_display = ("user", "organization", "role", "created_at", "last_seen_at")
    list_select_related = ("user", "organization")
    list_filter = ("role",)
    search_fields = ("organization", "user", "member", "user__email")
    organization_columns = ()
    fields = (*list_display, "declined_mail")

    @admin.display(description=_("declined mail"))
    def declined_mail(self, row: Membership) -> str:
        """Return the groups of notifications that the member declined by mail."""
        return ", ".join(str(GROUPS.get(name, name)) for name in row.mail_off or ())


@admin.register(Invitation)
class InvitationAdmin(ReadOnlyAdmin):
    """Invitations, without the link."""

    list_display = ("email", "organization", "role", "status", "created_at", "expires_at")
    list_select_related = ("organization",)
    list_filter = ("status",)
    search_fields = ("email", "organization__slug")
    global_search_fields = ("id", "email")
    organization_columns = ()
    fields = ("email", "organization", "role", "status", "created_at", "expires_at", "closed_at", "invited_by_label")


@admin.register(OutgoingMail)
class OutgoingMailAdmin(ReadOnlyAdmin):
    """Outgoing mail without its body, which can contain a token link."""

    list_display = ("created_at", "to", "title", "state", "sent_at", "server_response")
    search_fields = ("id", "to")
    global_search_fields = ("to",)
    global_search_columns = mail_panels.MAIL_COLUMNS
    fields = (
        *("to", "title", "state", "created_at", "sent_at", "server_answer", "attempts", "next_attempt_at"),
        "last_error",
    )

    @admin.display(description=_("mail"))
    def title(self, mail: OutgoingMail) -> str:
        """Return the subject, or the purpose of the link."""
        return mail_panels.mail_title(mail)

    @admin.display(description=_("state"))
    def state(self, mail: OutgoingMail) -> mail_panels.MailState:
        """Return the delivery state."""
        return mail_panels.state_of(mail)

    @admin.display(description=_("mail server"))
    def server_response(self, mail: OutgoingMail) -> str:
        """Return the mail server's last response."""
        return mail.last_error or mail.server_answer

    def summary_lines(self, row: OutgoingMail) -> Sequence[SummaryLine]:
        """Return the lines that explain the delivery state."""
        return mail_panels.describe_delivery(row)

    def panels(self, row: OutgoingMail) -> Sequence[Panel]:
        """Return other mails to the address."""
        return (mail_panels.mails_to(row.to, exclude=row),)


@admin.register(OperatorLook)
class OperatorLookAdmin(ReadOnlyAdmin):
    """Support access sessions: operator, organization, time and reason."""

    list_display = ("started_at", "operator", "organization", "reason", "until", "ended_at", "pages")
    list_select_related = ("operator", "organization")
    search_fields = ("organization", "operator__email")

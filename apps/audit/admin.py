"""The logs in the operators' admin: to read, never to change."""

from django.contrib import admin

from apps.audit.models import ApiCall, AuditEntry, Checkpoint, LastUse, RefusedCalls, Seal, UsageDay, UsageHour
from apps.audit.operators import ReadOnlyAdmin


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    """Changes."""

    list_display = ("at", "organization", "actor_label", "action", "target_label", "outcome", "address")
    list_select_related = ("organization",)
    list_filter = ("outcome",)
    search_fields = ("id", "organization", "target_id", "actor_id", "request_id")
    fields = (
        *("at", "organization", "actor_kind", "actor_id", "actor_label", "action", "target_kind", "target_id"),
        *("target_label", "changes", "outcome", "address", "user_agent", "request_id"),
    )


@admin.register(ApiCall)
class ApiCallAdmin(ReadOnlyAdmin):
    """Calls of the API."""

    list_display = ("at", "organization", "actor_label", "method", "route", "status", "code", "duration_ms", "address")
    list_select_related = ("organization",)
    search_fields = ("id", "organization", "credential")
    fields = (
        *("at", "organization", "actor_kind", "actor_id", "actor_label", "method", "route", "status", "code"),
        *("duration_ms", "address", "user_agent", "request_id", "scopes", "flagged"),
    )


@admin.register(UsageHour)
class UsageHourAdmin(ReadOnlyAdmin):
    """Calls by hour."""

    list_display = (
        *("hour", "organization", "credential_id", "method", "route", "status_class", "address", "user_agent"),
        *("scopes", "calls", "last_at"),
    )
    list_select_related = ("organization",)
    search_fields = ("organization@hour", "credential@hour")
    fields = list_display


@admin.register(UsageDay)
class UsageDayAdmin(ReadOnlyAdmin):
    """Calls by day."""

    list_display = (
        *("day", "organization", "credential_id", "method", "route", "status_class", "address", "scopes"),
        *("calls", "last_at"),
    )
    list_select_related = ("organization",)
    search_fields = ("organization@day",)
    fields = list_display


@admin.register(LastUse)
class LastUseAdmin(ReadOnlyAdmin):
    """Last use of each key."""

    list_display = ("credential_id", "at", "address")
    search_fields = ("credential",)
    fields = list_display


@admin.register(RefusedCalls)
class RefusedCallsAdmin(ReadOnlyAdmin):
    """Refused strangers."""

    list_display = ("minute", "address", "code", "calls")
    search_fields = ("address",)
    fields = list_display


@admin.register(Seal)
class SealAdmin(ReadOnlyAdmin):
    """Numbers and hashes of the chain."""

    list_display = ("seq", "organization", "hash", "sealed_at")
    list_select_related = ("organization",)
    search_fields = ("hash__exact",)
    ordering = ("-entry_id",)


@admin.register(Checkpoint)
class CheckpointAdmin(ReadOnlyAdmin):
    """Signed ends of chains."""

    list_display = ("at", "organization", "seq", "hash", "key_id")
    list_select_related = ("organization",)
    search_fields = ("hash__exact",)
    ordering = ("-id",)

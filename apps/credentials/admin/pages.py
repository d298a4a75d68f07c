"""Idempotency records in the operators' admin: to read, never to change."""

from django.contrib import admin

from apps.audit.operator_admin import ReadOnlyAdmin
from apps.credentials.models import IdempotencyRecord


@admin.register(IdempotencyRecord)
class IdempotencyRecordAdmin(ReadOnlyAdmin):
    """What POSTs with ``Idempotency-Key`` were answered, for 24 hours; the answers are the customers'."""

    list_display = ("reserved_at", "organization", "credential_kind", "credential_id", "route", "status")
    list_select_related = ("organization",)
    search_fields = ("id",)
    fields = list_display

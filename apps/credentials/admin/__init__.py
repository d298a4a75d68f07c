"""What the operators' admin shows of keys and of stored responses."""

from django.contrib import admin

from apps.audit.operator_admin import ReadOnlyAdmin
from apps.credentials.models import IdempotencyRecord


@admin.register(IdempotencyRecord)
class IdempotencyRecordAdmin(ReadOnlyAdmin):
    """Records of POSTs with ``Idempotency-Key``, without the responses, which are the customer's data."""

    list_display = ("reserved_at", "organization", "credential_kind", "credential_id", "route", "status")
    list_select_related = ("organization",)
    search_fields = ("id",)

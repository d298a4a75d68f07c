"""Event types, endpoints and deliveries in the operators' admin; no secret is among the fields."""

from typing import Any

from django.contrib import admin

from apps.audit.operators import AuditedAdmin, ReadOnlyAdmin
from apps.webhooks.models import (
    Delivery,
    DeliveryBalance,
    Endpoint,
    EngineTotal,
    Event,
    EventOrigin,
    EventType,
    FanOutBatch,
    ReplayJob,
    SweepPlace,
    WorkerBeat,
)
from apps.webhooks.operator_forms import EventTypeForm


@admin.register(EventType)
class EventTypeAdmin(AuditedAdmin):
    """What may be published; the portal's own types are declared in code and are only shown."""

    form = EventTypeForm
    audit_kind = "event_type"
    list_display = ("name", "origin", "description", "is_deprecated", "deprecated_at", "replaced_by")
    list_filter = ("origin", "is_deprecated")
    search_fields = ("name", "description")
    readonly_fields = ("origin",)
    fields = (
        "name",
        "origin",
        "description",
        "schema",
        "sample",
        "is_deprecated",
        "deprecated_at",
        "replaced_by",
    )

    def has_change_permission(self, request: Any, obj: Any = None) -> bool:
        """This will let operators change the host product's types only."""
        return obj is None or obj.origin == EventOrigin.HOST

    def get_readonly_fields(self, request: Any, obj: Any = None) -> tuple[str, ...]:
        """This will fix the name of what is there: endpoints are subscribed by it."""
        return (*self.readonly_fields, "name") if obj else tuple(self.readonly_fields)


@admin.register(Endpoint)
class EndpointAdmin(ReadOnlyAdmin):
    """Endpoints of organizations."""

    list_display = ("url", "organization", "status", "health", "created_at")
    list_select_related = ("organization",)
    list_filter = ("status", "health")
    fields = ("url", "organization", "description", "event_types", "status", "health", "disabled_reason", "created_at")


@admin.register(Event)
class EventAdmin(ReadOnlyAdmin):
    """Events, without their content."""

    list_display = ("type", "organization", "publisher", "match_count", "created_at")
    list_select_related = ("organization",)
    fields = ("type", "organization", "publisher", "client_id", "match_count", "created_at")
    ordering = ("-id",)


@admin.register(Delivery)
class DeliveryAdmin(ReadOnlyAdmin):
    """Deliveries."""

    list_display = (
        "event_type",
        "organization",
        "endpoint",
        "status",
        "attempt_count",
        "next_attempt_at",
        "created_at",
    )
    list_select_related = ("organization", "endpoint")
    list_filter = ("status",)
    ordering = ("-id",)
    exclude = ("lease_token",)


@admin.register(ReplayJob)
class ReplayJobAdmin(ReadOnlyAdmin):
    """Replays."""

    list_display = ("created_at", "organization", "endpoint", "status", "count", "sent", "succeeded", "failed")
    list_select_related = ("organization", "endpoint")
    list_filter = ("status",)
    ordering = ("-id",)
    exclude = ("cursor", "ends_before", "paced_until", "count_again_at")


@admin.register(DeliveryBalance)
class DeliveryBalanceAdmin(ReadOnlyAdmin):
    """Where the accepted deliveries of each organization are; missing is 0, or something was lost."""

    list_display = (
        "organization",
        "accepted",
        "delivered",
        "waiting",
        "sending",
        "held",
        "exhausted",
        "dropped",
        "missing",
        "counted_at",
    )
    list_select_related = ("organization",)


@admin.register(WorkerBeat)
class WorkerBeatAdmin(ReadOnlyAdmin):
    """Workers of the last day, and when each last gave a sign of life."""

    list_display = ("name", "started_at", "beat_at")


@admin.register(EngineTotal)
class EngineTotalAdmin(ReadOnlyAdmin):
    """Counters of all workers together."""

    list_display = ("name", "value")


@admin.register(SweepPlace)
class SweepPlaceAdmin(ReadOnlyAdmin):
    """How far the sweeps of retention and of hourly figures have come."""

    list_display = ("name", "place", "again_at")


@admin.register(FanOutBatch)
class FanOutBatchAdmin(ReadOnlyAdmin):
    """Deliveries that are still to be made, of events with very many endpoints."""

    list_display = ("event", "organization", "size")
    list_select_related = ("event", "organization")
    fields = ("event", "organization", "size")

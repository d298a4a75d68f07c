"""Admin pages of webhooks, which never show a secret."""

import json
from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from apps.audit.operator_admin import AuditedAdmin, Panel, ReadOnlyAdmin, SummaryLine
from apps.base.crypto.encrypted_fields import CannotDecrypt
from apps.base.crypto.secrets import MASK_DOTS
from apps.notices.admin import notices_about
from apps.webhooks import actions
from apps.webhooks.admin import answers
from apps.webhooks.admin.forms import EventTypeForm
from apps.webhooks.models import (
    Attempt,
    AttemptHour,
    Delivery,
    DeliveryBalance,
    Endpoint,
    EndpointSecret,
    EngineTotal,
    Event,
    EventOrigin,
    EventType,
    FanOutBatch,
    ReplayJob,
    Subscription,
    SweepPlace,
    WorkerBeat,
)
from apps.webhooks.types.host_product_types import HOST_PRODUCT_EVENTS
from apps.webhooks.view_models.failure_labels import what_to_try


@admin.register(EventType)
class EventTypeAdmin(AuditedAdmin):
    """Event types; portal types are declared in code and read-only."""

    form = EventTypeForm
    audit_kind = "event_type"
    save_action = staticmethod(actions.save_event_type)
    delete_action = staticmethod(actions.delete_event_type)
    fixed_fields = ("name",)  # endpoints are subscribed by it
    list_display = ("name", "origin", "description", "is_deprecated", "deprecated_at", "replaced_by")
    list_filter = ("origin", "is_deprecated")
    search_fields = ("name__icontains", "description__icontains")
    ordering = ("name",)
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
        """Return whether the type belongs to the host product."""
        return obj is None or obj.origin == EventOrigin.HOST_PRODUCT

    def has_delete_permission(self, request: Any, obj: Any = None) -> bool:
        """Return whether an operator added the type; deleting one in use raises an error in the action."""
        is_built_in = obj is not None and (obj.origin != EventOrigin.HOST_PRODUCT or obj.name in HOST_PRODUCT_EVENTS)
        return super().has_delete_permission(request, obj) and not is_built_in


@admin.register(Endpoint)
class EndpointAdmin(ReadOnlyAdmin):
    """Endpoints, with only the names of their custom headers."""

    list_display = ("shown_url", "organization", "status", "health", "created_at")
    list_select_related = ("organization",)
    list_filter = ("status", "health")
    search_fields = ("id", "organization")
    global_search_fields = ("id",)
    global_search_columns = ("shown_url", "organization", "status", "health", "created_at")
    organization_columns = ("shown_url", "status", "health", "last_success_at")
    fields = (
        *("public_id", "shown_url", "organization", "description", "event_types", "header_names", "status", "health"),
        *("disabled_reason", "disabled_at", "deleted_at", "rate_limit_per_second", "max_in_flight"),
        *("failures_in_a_row", "failing_since", "last_success_at", "created_at"),
    )

    def summary_lines(self, row: Endpoint) -> Sequence[SummaryLine]:
        return list(answers.explain_endpoint(row))

    def panels(self, row: Endpoint) -> Sequence[Panel]:
        return (answers.latest_deliveries(row), *notices_about(row.organization_id, row.public_id))

    @admin.display(description=_("URL"), ordering="url")
    def shown_url(self, endpoint: Any) -> str:
        """Return the URL without the values of its query."""
        url: str = endpoint.shown_url
        return url

    @admin.display(description=_("own headers"))
    def header_names(self, endpoint: Any) -> Any:
        """Return the custom headers with masked values."""
        try:
            names = json.loads(endpoint.headers)
        except CannotDecrypt:
            return _("They do not open: their encryption key is not in ENCRYPTION_KEYS.")
        return ", ".join(f"{name}: {MASK_DOTS}" for name in names) or "-"


@admin.register(EndpointSecret)
class EndpointSecretAdmin(ReadOnlyAdmin):
    """Creation and expiry of signing secrets, without any part of the secret."""

    list_display = ("endpoint", "organization", "created_at", "expires_at")
    list_select_related = ("endpoint", "organization")
    search_fields = ("endpoint",)


@admin.register(Subscription)
class SubscriptionAdmin(ReadOnlyAdmin):
    """Event types and patterns that endpoints are subscribed to."""

    list_display = ("pattern", "endpoint", "organization")
    list_select_related = ("endpoint", "organization")
    search_fields = ("organization", "endpoint")


@admin.register(Event)
class EventAdmin(ReadOnlyAdmin):
    """Events, without their content."""

    list_display = ("type", "organization", "publisher", "match_count", "created_at")
    list_select_related = ("organization",)
    list_filter = ("test",)
    search_fields = ("id", "organization")
    global_search_fields = ("id",)
    organization_columns = ()
    fields = ("public_id", "type", "organization", "publisher", "client_id", "match_count", "test", "created_at")

    def summary_lines(self, row: Event) -> Sequence[SummaryLine]:
        return list(answers.explain_event(row))

    def panels(self, row: Event) -> Sequence[Panel]:
        return [panel for panel in (answers.deliveries_of(row), answers.endpoints_without(row)) if panel.rows]


@admin.register(Delivery)
class DeliveryAdmin(ReadOnlyAdmin):
    list_display = ("public_id", "event_type", "organization", "endpoint", "status", "attempt_count", "created_at")
    list_select_related = ("organization", "endpoint")
    list_filter = ("status", "test")
    search_fields = ("id", "organization", "endpoint", "event")
    global_search_fields = ("id",)
    global_search_columns = ("public_id", "event_type", "organization", "status", "created_at")
    organization_columns = ("public_id", "event_type", "endpoint", "status", "created_at")
    fields = (
        *(
            "public_id",
            "event_type",
            "event",
            "organization",
            "endpoint",
            "status",
            "test",
            "attempt_count",
            "uncounted_attempts",
        ),
        *("next_attempt_at", "next_attempt_reason", "last_status_code", "last_error", "lease_until"),
        *("created_at", "finished_at"),
    )

    @admin.display(description=_("last result"))
    def last_result(self, delivery: Delivery) -> str:
        return answers.result_of(delivery.last_error, delivery.last_status_code)

    def summary_lines(self, row: Delivery) -> Sequence[SummaryLine]:
        return list(answers.explain_delivery(row))

    def panels(self, row: Delivery) -> Sequence[Panel]:
        return (answers.attempts_of(row),)


@admin.register(Attempt)
class AttemptAdmin(ReadOnlyAdmin):
    """Attempts, without headers and bodies, which can contain the customer's data."""

    list_display = ("started_at", "organization", "delivery_id", "number", "status_code", "error", "duration_ms")
    list_select_related = ("organization",)
    search_fields = ("id", "organization", "delivery")
    global_search_fields = ("id",)
    global_search_columns = ("started_at", "organization", "result", "number")
    fields = (
        *("started_at", "finished_at", "organization", "delivery", "number", "status_code", "error", "hint", "address"),
        *("duration_ms", "timings_ms", "truncated"),
    )

    @admin.display(description=_("result"))
    def result(self, attempt: Attempt) -> str:
        return answers.result_of(attempt.error, attempt.status_code)

    @admin.display(description=_("what to try"))
    def advice(self, attempt: Attempt) -> str:
        return what_to_try(attempt.error, attempt.status_code, attempt.hint)


@admin.register(AttemptHour)
class AttemptHourAdmin(ReadOnlyAdmin):
    list_display = ("hour", "organization", "endpoint", "succeeded", "failed")
    list_select_related = ("organization", "endpoint")
    search_fields = ("organization", "endpoint")
    search_newest_by = "hour"


@admin.register(ReplayJob)
class ReplayJobAdmin(ReadOnlyAdmin):
    list_display = ("created_at", "organization", "endpoint", "status", "count", "sent", "succeeded", "failed")
    list_select_related = ("organization", "endpoint")
    list_filter = ("status",)
    search_fields = ("id", "organization")
    global_search_fields = ("id",)
    fields = (
        *list_display,
        *("since", "until", "statuses", "event_types", "rate_per_second", "created_by_label", "finished_at"),
    )


@admin.register(DeliveryBalance)
class DeliveryBalanceAdmin(ReadOnlyAdmin):
    """Accepted deliveries by state; ``missing`` is 0 unless deliveries were lost."""

    list_display = (
        *("organization", "accepted", "delivered", "waiting", "sending", "held", "exhausted", "dropped", "missing"),
        "counted_at",
    )
    list_select_related = ("organization",)
    search_fields = ("organization",)


@admin.register(WorkerBeat)
class WorkerBeatAdmin(ReadOnlyAdmin):
    """Workers of the last day, with the time of their last heartbeat."""

    list_display = ("name", "started_at", "beat_at")


@admin.register(EngineTotal)
class EngineTotalAdmin(ReadOnlyAdmin):
    """Counters summed over all workers."""

    list_display = ("name", "value")


@admin.register(SweepPlace)
class SweepPlaceAdmin(ReadOnlyAdmin):
    """Cursors of the retention and rollup jobs."""

    list_display = ("name", "place", "again_at")


@admin.register(FanOutBatch)
class FanOutBatchAdmin(ReadOnlyAdmin):
    """Batches of deliveries that are not created yet, of events that match very many endpoints."""

    list_display = ("event", "organization", "size")
    list_select_related = ("event", "organization")
    search_fields = ("id",)

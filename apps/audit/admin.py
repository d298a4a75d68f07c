"""Read-only pages of the logs in the operators' admin."""

from collections.abc import Sequence
from typing import Any, cast

from django.contrib import admin
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.audit.models import ApiCall, AuditEntry, Checkpoint, LastUse, RefusedCalls, Seal, UsageDay, UsageHour
from apps.audit.operator_admin import (
    Panel,
    ReadOnlyAdmin,
    SummaryLine,
    change_url_by_id,
    changelist_url,
    link,
    table,
)

MAX_REQUEST_ROWS = 20


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    list_display = ("at", "organization", "actor_label", "action", "target_label", "outcome", "address")
    list_select_related = ("organization",)
    list_filter = ("outcome",)
    search_fields = ("id", "organization", "target_id", "actor_id", "request_id")
    global_search_fields = ("id", "request_id")
    global_search_columns = ("at", "organization", "actor_label", "action", "target_label")
    organization_columns = ()
    fields = (
        *("at", "organization", "actor_kind", "actor", "action", "target_kind", "target"),
        *("changes", "outcome", "address", "user_agent", "request_id"),
    )

    @admin.display(description=gettext_lazy("actor"))
    def actor(self, entry: AuditEntry) -> Any:
        """The actor, with a link to the key's or user's page."""
        return _named(entry.actor_label, entry.actor_id)

    @admin.display(description=gettext_lazy("target"))
    def target(self, entry: AuditEntry) -> Any:
        """The target, with a link to its page."""
        return _named(entry.target_label, entry.target_id)

    def panels(self, row: AuditEntry) -> Sequence[Panel]:
        """Return the API request that made the change; changes made on pages have none."""
        return [panel for panel in (_calls_of_request(row),) if panel.rows]


@admin.register(ApiCall)
class ApiCallAdmin(ReadOnlyAdmin):
    list_display = ("at", "organization", "actor_label", "method", "route", "status", "code", "request_id")
    list_select_related = ("organization",)
    search_fields = ("id", "organization", "credential", "request_id")
    global_search_fields = ("id", "request_id")
    global_search_columns = ("at", "organization", "actor_label", "method", "route", "status", "code")
    organization_columns = ()
    fields = (
        *("at", "organization", "actor_kind", "actor", "method", "route", "status", "code", "duration_ms"),
        *("address", "user_agent", "request_id", "scopes", "flagged"),
    )

    @admin.display(description=gettext_lazy("made by"))
    def actor(self, call: ApiCall) -> Any:
        """The key or user, with a link to its page."""
        return _named(call.actor_label, call.actor_id)

    def summary_lines(self, row: ApiCall) -> Sequence[SummaryLine]:
        """Return the status of the request and, for an error, the meaning of its code."""
        facts = {"status": row.status, "code": row.code, "ms": f"{row.duration_ms:.0f}"}
        if row.status < 400:
            return [SummaryLine("ok", _("Answered with %(status)s in %(ms)s ms.") % facts)]
        sentence = _("Answered with %(status)s %(code)s in %(ms)s ms.") % facts
        # The admin site knows the API's error codes, which are defined above this app.
        meaning = cast(Any, self.admin_site).meaning_of(row.code)
        return [SummaryLine("bad", f"{sentence} {meaning}".strip(), change_url_by_id(row.actor_id), row.actor_label)]

    def panels(self, row: ApiCall) -> Sequence[Panel]:
        """Return the changes made by the request, and other requests with the same request id."""
        entries = AuditEntry.objects.filter(organization_id=row.organization_id, request_id=row.request_id)
        changed = table(
            _("Changes made by this request"),
            entries.order_by("-pk")[:MAX_REQUEST_ROWS] if row.request_id else (),
            ("at", "action", "target_label", "outcome"),
            empty=_("None is in the audit log."),
        )
        others = _calls_of_request(row, exclude=row)
        return [panel for panel in (changed, others) if panel.rows or (panel is changed and not _only_reads(row))]


def _only_reads(call: ApiCall) -> bool:
    return call.method in ("GET", "HEAD", "OPTIONS")


def _named(label: str, public_id: str) -> Any:
    return link(change_url_by_id(public_id), f"{label} ({public_id})" if public_id else label)


def _calls_of_request(row: AuditEntry | ApiCall, exclude: ApiCall | None = None) -> Panel:
    rows = ApiCall.objects.filter(organization_id=row.organization_id, request_id=row.request_id)
    if exclude:
        rows = rows.exclude(pk=exclude.pk)
    title = _("Other requests with this request id") if exclude else _("API request")
    return table(
        title,
        rows.order_by("-pk")[:MAX_REQUEST_ROWS] if row.request_id else (),
        ("at", "actor_label", "method", "route", "status", "code"),
        more_url=changelist_url(ApiCall, row.request_id) if exclude else "",
    )


@admin.register(UsageHour)
class UsageHourAdmin(ReadOnlyAdmin):
    list_display = (
        *("hour", "organization", "credential_id", "method", "route", "status_class", "address", "user_agent"),
        *("scopes", "calls", "last_at"),
    )
    list_select_related = ("organization",)
    search_fields = ("organization", "credential")
    search_newest_by = "hour"


@admin.register(UsageDay)
class UsageDayAdmin(ReadOnlyAdmin):
    list_display = (
        *("day", "organization", "credential_id", "method", "route", "status_class", "address", "scopes"),
        *("calls", "last_at"),
    )
    list_select_related = ("organization",)
    search_fields = ("organization",)
    search_newest_by = "day"


@admin.register(LastUse)
class LastUseAdmin(ReadOnlyAdmin):
    list_display = ("credential_id", "at", "address")
    search_fields = ("credential",)


@admin.register(RefusedCalls)
class RefusedCallsAdmin(ReadOnlyAdmin):
    """Refused unauthenticated requests."""

    list_display = ("minute", "address", "code", "calls")
    search_fields = ("network",)
    global_search_fields = ("network",)


@admin.register(Seal)
class SealAdmin(ReadOnlyAdmin):
    """Sequence numbers and hashes of the chains."""

    list_display = ("seq", "organization", "hash", "sealed_at")
    list_select_related = ("organization",)
    search_fields = ("organization",)
    ordering = ("-entry_id",)


@admin.register(Checkpoint)
class CheckpointAdmin(ReadOnlyAdmin):
    """The signed ends of the chains."""

    list_display = ("at", "organization", "seq", "hash", "key_id")
    list_select_related = ("organization",)
    search_fields = ("organization",)
    ordering = ("-id",)

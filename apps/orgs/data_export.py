"""Data export of an organization: the rows of each file, and the action that records the export."""

import uuid
from collections.abc import Iterator
from itertools import chain
from typing import Any, cast

from django.db import transaction
from django.db.models import QuerySet

from apps.api_keys.serializers import archived_keys as api_keys
from apps.audit import actions as audit
from apps.audit.models import AuditEntry, UsageDay
from apps.audit.timeline.changes_and_calls import Changes
from apps.audit.timeline.serialization import write_row
from apps.base.actor import Actor
from apps.base.extension_points.data_export_providers import ExportProvider, iterate_in_batches
from apps.base.identifiers import encode
from apps.base.permissions import Permission
from apps.base.timestamps import format_timestamp
from apps.notices.models import Notice
from apps.orgs.lifecycle.organization_rows import lock_organization
from apps.orgs.members.membership_requirements import without_second_step
from apps.orgs.models import Invitation, Membership, Organization
from apps.sdk_keys.serializers import archived_keys as sdk_keys
from apps.webhooks.api.delivery_serializers import DeliverySerializer
from apps.webhooks.api.endpoint_serializers import WebhookEndpointSerializer
from apps.webhooks.api.event_serializers import EventTypeSerializer, EventWithDataSerializer
from apps.webhooks.models import Delivery, Endpoint, Event, EventType


def organization(actor: Actor) -> Iterator[dict[str, Any]]:
    """Yield the organization with its settings."""
    row = _organization_of(actor)
    yield {
        "id": row.public_id,
        "name": row.name,
        "slug": row.slug,
        "status": row.status,
        "created_at": format_timestamp(row.created_at),
        "leak_policy": row.leak_policy,
        "longest_key_days": row.longest_key_days,
        "two_step_required": row.two_step_required,
        "retention_days": {
            "audit": row.retention_days_audit,
            "calls": row.retention_days_calls,
            "deliveries": row.retention_days_deliveries,
        },
        "mail_recipients": row.mail_recipients,
        "ceiling_per_minute": row.ceiling_per_minute,
        "endpoint_limit": row.endpoint_limit,
    }


def members(actor: Actor) -> Iterator[dict[str, Any]]:
    """Yield the members with their roles."""
    own = _organization_of(actor)
    lacking = {row.pk for row in without_second_step(own)}
    for row in _rows(Membership.objects.for_actor(actor).select_related("user")):
        yield {
            "id": row.user_public_id,
            "name": row.user.name,
            "email": row.user.email,
            "role": row.role,
            "two_step": row.pk not in lacking,
            "since": format_timestamp(row.created_at),
            "last_seen_at": format_timestamp(row.last_seen_at),
        }


def invitations(actor: Actor) -> Iterator[dict[str, Any]]:
    """Yield the invitations with their status."""
    for row in _rows(Invitation.objects.for_actor(actor).visible()):
        yield {
            "id": row.public_id,
            "email": row.email,
            "role": row.role,
            "status": row.status,
            "invited_by": row.invited_by_label,
            "created_at": format_timestamp(row.created_at),
            "expires_at": format_timestamp(row.expires_at),
        }


def _rows(rows: QuerySet[Any]) -> Iterator[Any]:
    return chain.from_iterable(iterate_in_batches(rows))


def _organization_of(actor: Actor) -> Organization:
    return Organization.objects.get(pk=cast(uuid.UUID, actor.organization_id))


def usage_days(actor: Actor) -> Iterator[dict[str, Any]]:
    """Yield the daily usage rollup, oldest row first."""
    rows = UsageDay.objects.filter(organization_id=actor.organization_id)  # type: ignore[misc]  # a member has one
    for row in _rows(rows):
        yield {
            "day": row.day.isoformat(),
            "key": encode("key", row.credential_id) if row.credential_id.int else None,
            "method": row.method,
            "route": row.route,
            "status": row.status_class,
            "address": row.address,
            "scopes": row.scopes.split(),
            "calls": row.calls,
        }


def audit_entries(actor: Actor) -> Iterator[dict[str, Any]]:
    """Yield the stored changes of the audit log, oldest first, in the format of the API."""
    source = Changes()
    yield from (
        write_row(source.row(entry)) for entry in _rows(AuditEntry.objects.for_actor(actor).select_related("seal"))
    )


def export_notices(actor: Actor) -> Iterator[dict[str, Any]]:
    """Yield every notification."""
    for row in _rows(Notice.objects.for_actor(actor)):
        yield {
            "id": row.public_id,
            "kind": row.kind,
            "severity": row.severity,
            "params": row.params,
            "created_at": format_timestamp(row.created_at),
            "mailed_at": format_timestamp(row.mailed_at),
            "dismissed_at": format_timestamp(row.dismissed_at),
            "resolved_at": format_timestamp(row.resolved_at),
        }


def endpoints(actor: Actor) -> Iterator[dict[str, Any]]:
    """Yield every endpoint that isn't deleted; the query of its URL can contain a token, so it is masked too."""
    for each in _rows(Endpoint.objects.for_actor(actor).existing()):
        written = WebhookEndpointSerializer.write(each) | {"url": each.shown_url}
        del written["warnings"]
        yield written


def event_types(actor: Actor) -> Iterator[dict[str, Any]]:
    """Yield the event types of the organization's events."""
    used = set(Event.objects.for_actor(actor).order_by().values_list("type", flat=True).distinct())
    yield from map(EventTypeSerializer.write, EventType.objects.filter(name__in=used))


def events(actor: Actor) -> Iterator[dict[str, Any]]:
    """Yield the stored events without tests, with their data while it is retained."""
    yield from map(EventWithDataSerializer.write, _rows(Event.objects.for_actor(actor).filter(test=False)))


def deliveries(actor: Actor) -> Iterator[dict[str, Any]]:
    """Yield the stored deliveries, without attempts."""
    yield from map(DeliverySerializer.write, _rows(Delivery.objects.for_actor(actor).select_related("endpoint")))


@transaction.atomic
def record_export(*, actor: Actor) -> Organization:
    """Record that an owner exports the organization's data, which the view then streams."""
    actor.require(Permission.ORGANIZATION_EXPORT)
    organization = lock_organization(actor.organization_id)
    audit.record_change(actor, "organization.exported", organization)
    return organization


# The files of the archive, in order.
FILES: dict[str, ExportProvider] = {
    "organization.jsonl": organization,
    "members.jsonl": members,
    "invitations.jsonl": invitations,
    "api_keys.jsonl": api_keys,
    "sdk_keys.jsonl": sdk_keys,
    "webhook_endpoints.jsonl": endpoints,
    "event_types.jsonl": event_types,
    "events.jsonl": events,
    "deliveries.jsonl": deliveries,
    "notices.jsonl": export_notices,
    "usage_by_day.jsonl": usage_days,
    "audit_log.jsonl": audit_entries,
}

"""The files of an organization's data export; the organization, its members and invitations come from here."""

import uuid
from collections.abc import Iterator
from typing import Any, cast

from apps.api_keys.serializers import archived_keys as api_keys
from apps.audit.data_export_providers import entries, usage_days
from apps.base.actor import Actor
from apps.base.extension_points.data_export_providers import Part, in_batches
from apps.base.timestamps import format_timestamp
from apps.notices.data_export_providers import export_notices
from apps.orgs.members.membership_requirements import without_second_step
from apps.orgs.models import Invitation, Membership, Organization
from apps.sdk_keys.serializers import archived_keys as sdk_keys
from apps.webhooks.data_export_providers import deliveries, endpoints, event_types, events


def organization(actor: Actor) -> Iterator[dict[str, Any]]:
    """Yield the organization with its settings."""
    row = _own(actor)
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
    own = _own(actor)
    lacking = {row.pk for row in without_second_step(own)}
    for batch in in_batches(Membership.objects.for_actor(actor).select_related("user")):
        for row in batch:
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
    for batch in in_batches(Invitation.objects.for_actor(actor).shown()):
        for row in batch:
            yield {
                "id": row.public_id,
                "email": row.email,
                "role": row.role,
                "status": row.status,
                "invited_by": row.invited_by_label,
                "created_at": format_timestamp(row.created_at),
                "expires_at": format_timestamp(row.expires_at),
            }


def _own(actor: Actor) -> Organization:
    return Organization.objects.get(pk=cast(uuid.UUID, actor.organization_id))


# In the order of the archive.
FILES: dict[str, Part] = {
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
    "audit_log.jsonl": entries,
}

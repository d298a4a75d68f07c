"""The two sources of the audit app itself: changes and calls of the API."""

import uuid
from typing import Any

from django.db.models import Q, QuerySet

from apps.audit.models import ApiCall, AuditEntry, Outcome
from apps.audit.sources import Filters, Http, Party, Row, key_range
from apps.audit.vocabulary import sentence_for, write
from apps.base.actor import Actor
from apps.base.identifiers import decode

CALL = "api.call"
KEY_PREFIXES = ("key", "sdk")


def changes(actor: Actor, filters: Filters, before: uuid.UUID | None, limit: int) -> list[Row]:
    """This will return the newest changes that match."""
    found = _within(AuditEntry.objects.for_actor(actor), filters, before)
    if filters.action:
        found = found.filter(action=filters.action)
    for public_id in filter(None, (filters.target, filters.key)):
        found = found.filter(target_id=public_id)
    return [write_entry(entry) for entry in found.order_by("-pk")[:limit]]


def api_calls(actor: Actor, filters: Filters, before: uuid.UUID | None, limit: int) -> list[Row]:
    """This will return the newest API calls that match."""
    if filters.action not in ("", CALL):
        return []
    found = _within(ApiCall.objects.for_actor(actor), filters, before)
    if filters.target:
        found = found.filter(route=filters.target)
    for public_id in filter(None, (filters.key, filters.actor)):
        found = _by_key(found, public_id)
    return [_call(call) for call in found.order_by("-pk")[:limit]]


def _within(found: QuerySet, filters: Filters, before: uuid.UUID | None) -> QuerySet:
    found = found.filter(**key_range(filters, before))
    if filters.since is not None:
        found = found.filter(at__gte=filters.since)
    if filters.until is not None:
        found = found.filter(at__lt=filters.until)
    if filters.actor:
        found = found.filter(actor_id=filters.actor)
    if filters.who:
        found = found.filter(Q(actor_id=filters.who) | Q(actor_label__icontains=filters.who))
    if filters.request_id:
        found = found.filter(request_id=filters.request_id)
    return found


def _by_key(found: QuerySet, public_id: str) -> QuerySet:
    """This will keep the calls of one key, by the column that has an index; other ids change nothing."""
    for prefix in KEY_PREFIXES:
        key = decode(prefix, public_id)
        if key is not None:
            return found.filter(credential_id=key)
    return found


def write_entry(entry: AuditEntry) -> Row:
    """This will return a change as a row of the timeline."""
    return Row(
        category="change",
        sentence=sentence_for(entry),
        action=entry.action,
        target=Party(entry.target_kind, entry.target_id, entry.target_label),
        changes=entry.changes,
        outcome=entry.outcome,
        **_shared(entry),
    )


def _call(call: ApiCall) -> Row:
    what = f"{call.method} {call.route}".rstrip()
    return Row(
        category="api_call",
        sentence=write(CALL, {"actor": call.actor_label, "target": what}),
        action=CALL,
        target=Party("route", call.route, what),
        outcome=outcome_of(call.status),
        http=Http(call.method, call.route, call.status, call.duration_ms),
        **_shared(call),
    )


def _shared(row: AuditEntry | ApiCall) -> dict[str, Any]:
    return {
        "key": row.pk,
        "at": row.at,
        "actor": Party(row.actor_kind, row.actor_id, row.actor_label),
        "address": row.address,
        "user_agent": row.user_agent,
        "request_id": row.request_id,
    }


def outcome_of(status: int) -> str:
    """This will return how a call ended: denied for 401, 403 and 429, failure for other errors."""
    if status < 400:
        return Outcome.SUCCESS
    return Outcome.DENIED if status in (401, 403, 429) else Outcome.FAILURE

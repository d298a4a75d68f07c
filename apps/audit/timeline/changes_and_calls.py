"""The audit app's own timeline sources: changes and API calls."""

import uuid
from datetime import datetime, timedelta
from typing import Any, cast

from django.db.models import Max, Min, Q, QuerySet

from apps.audit.models import ApiCall, AuditEntry, Outcome, Seal
from apps.audit.timeline.sources import (
    KEY_SLACK_MS,
    STEP,
    EntityRef,
    ExportSpan,
    Filters,
    Http,
    Row,
    TimelineSource,
    filter_by_time,
    pk_bounds,
)
from apps.audit.vocabulary import render_sentence, sentence_for
from apps.base.actor import Actor
from apps.base.identifiers import decode

CALL = "api.call"
KEY_PREFIXES = ("key", "sdk")


class Changes(TimelineSource):
    """Changes. An export follows their sequence numbers, because a transaction can commit late with a lower id."""

    def querysets(self, actor: Actor, filters: Filters) -> list[QuerySet[Any]]:
        """Return the matching changes; for ``filters.key`` those by it and those on it, each read by an index."""
        found = filter_by_time(AuditEntry.objects.for_actor(actor), filters, "at").select_related("seal")
        for column, wanted in (
            ("actor_id", filters.actor),
            ("target_id", filters.target),
            ("request_id", filters.request_id),
        ):
            if wanted:
                found = found.filter(**{column: wanted})
        if filters.actions:
            found = found.filter(action__in=filters.actions)
        if not filters.key:
            return [found]
        return [found.filter(actor_id=filters.key), found.filter(target_id=filters.key).exclude(actor_id=filters.key)]

    def row(self, found: AuditEntry) -> Row:
        """Return one change as a row, with its sequence number and hash if it is sealed."""
        seal = getattr(found, "seal", None)
        return Row(
            category="change",
            sentence=sentence_for(found),
            action=found.action,
            target=EntityRef(found.target_kind, found.target_id, found.target_label),
            changes=found.changes,
            outcome=found.outcome,
            seq=None if seal is None else seal.seq,
            hash=None if seal is None else seal.hash,
            **_shared(found),
        )

    def span(self, actor: Actor, filters: Filters) -> ExportSpan | None:
        """Return the span of sequence numbers that are sealed now, or None."""
        seals = Seal.objects.filter(organization_id=cast(uuid.UUID, actor.organization_id))
        ends = seals.aggregate(first=Min("seq"), last=Max("seq"))
        if ends["last"] is None:
            return None
        first = ends["first"]
        if filters.since is not None:
            first = _first_sealed_since(seals, filters.since, first, ends["last"])
        return ExportSpan(str(first - 1), str(ends["last"]))

    def step(self, actor: Actor, filters: Filters, span: ExportSpan) -> tuple[list[Row], str]:
        """Return the matches among the next ``STEP`` sequence numbers, possibly none."""
        after, up_to = int(span.after), min(int(span.after) + STEP, int(span.up_to))
        of_seal = {
            "seal__organization_id": actor.organization_id,
            "seal__seq__gt": after,
            "seal__seq__lte": up_to,
        }
        found = [list(rows.filter(**of_seal)) for rows in self.querysets(actor, filters)]
        rows = [self.row(entry) for part in found for entry in part]
        return sorted(rows, key=lambda row: row.seq or 0), str(up_to)

    def count(self, actor: Actor, filters: Filters, span: ExportSpan | None, limit: int | None = None) -> int:
        """Count the rows of a span, or without one all current matches, sealed or not."""
        bounds: dict[str, Any] = pk_bounds(filters)
        if span is not None and span.up_to:
            bounds["seal__seq__lte"] = int(span.up_to)
        counted = [rows.filter(**bounds).order_by()[:limit] for rows in self.querysets(actor, filters)]
        return sum(rows.count() for rows in counted)


def _first_sealed_since(seals: QuerySet[Seal], since: datetime, low: int, high: int) -> int:
    """Return a number below which every change is older than ``since``: a change is sealed after it is made."""
    earliest = since - timedelta(milliseconds=KEY_SLACK_MS) if since.year > 1 else since
    while low < high:
        middle = (low + high) // 2
        sealed_at = seals.filter(seq__gte=middle).order_by("seq").values_list("sealed_at", flat=True).first()
        if sealed_at is None or sealed_at >= earliest:
            high = middle
        else:
            low = middle + 1
    return low


class Calls(TimelineSource):
    """API requests."""

    def querysets(self, actor: Actor, filters: Filters) -> list[QuerySet[Any]]:
        """Return the matching calls. A key's calls are found by ``credential_id``, which is empty for sessions."""
        if filters.actions and CALL not in filters.actions:
            return []
        found = filter_by_time(ApiCall.objects.for_actor(actor), filters, "at")
        for column, wanted in (("route", filters.target), ("request_id", filters.request_id)):
            if wanted:
                found = found.filter(**{column: wanted})
        for public_id in filter(None, (filters.key, filters.actor)):
            found = found.filter(_made_by(public_id))
        return [found]

    def row(self, found: ApiCall) -> Row:
        what = f"{found.method} {found.route}".rstrip()
        return Row(
            category="api_call",
            sentence=render_sentence(CALL, {"actor": found.actor_label, "target": what}),
            action=CALL,
            target=EntityRef("route", found.route, what),
            outcome=outcome_of(found.status),
            http=Http(found.method, found.route, found.status, found.duration_ms),
            **_shared(found),
        )


def _made_by(public_id: str) -> Q:
    prefix = public_id.partition("_")[0]
    if prefix not in KEY_PREFIXES:
        return Q(actor_id=public_id, credential_id=None)
    return Q(actor_id=public_id, credential_id=decode(prefix, public_id) or uuid.UUID(int=0))


def _shared(row: AuditEntry | ApiCall) -> dict[str, Any]:
    return {
        "key": row.pk,
        "at": row.at,
        "actor": EntityRef(row.actor_kind, row.actor_id, row.actor_label),
        "address": row.address,
        "user_agent": row.user_agent,
        "request_id": row.request_id,
    }


def outcome_of(status: int) -> str:
    """Return the outcome of a status: denied for 401, 403 and 429, failure for other errors."""
    if status < 400:
        return Outcome.SUCCESS
    return Outcome.DENIED if status in (401, 403, 429) else Outcome.FAILURE


changes = Changes()
api_calls = Calls()

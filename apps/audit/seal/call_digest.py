"""API calls as rows of a digest: every column, so that no change goes undetected."""

import uuid
from datetime import datetime, timedelta
from typing import Any

from apps.audit.calls import redis_stream
from apps.audit.models import ApiCall
from apps.audit.seal.chain import encode_json
from apps.audit.seal.digests import DigestSource
from apps.base.identifiers import encode

ACTION = "audit.calls_digest"
CLOCK_MARGIN = timedelta(minutes=1)
COLUMNS = (
    *("id", "at", "actor_kind", "actor_id", "actor_label", "credential_id", "method", "route", "status", "code"),
    *("duration_ms", "address", "user_agent", "request_id", "scopes", "flagged"),
)  # fmt: skip


def rows(organization_id: uuid.UUID, first: uuid.UUID, before: uuid.UUID, limit: int) -> list[tuple[uuid.UUID, str]]:
    """Return the organization's calls by id, each with its canonical text: the columns as a JSON array."""
    found = ApiCall.objects.filter(organization_id=organization_id, pk__gte=first, pk__lt=before)
    return [(row[0], _text(row)) for row in found.order_by("pk").values_list(*COLUMNS)[:limit]]


def _text(row: tuple[Any, ...]) -> str:
    key, at, kind, actor_id, label, credential, *rest = row
    return encode_json(
        [encode("aud", key), at.isoformat(), kind, actor_id, label, credential and credential.hex, *rest]
    )


def next_id(first: uuid.UUID) -> uuid.UUID | None:
    """Return the id of the first call at or after ``first``."""
    return ApiCall.objects.filter(pk__gte=first).order_by("pk").values_list("pk", flat=True).first()


def is_settled(end: datetime) -> bool:
    """Return whether Redis has no more calls from before ``end``."""
    # Redis dates a call when it receives it, which is slightly after the call.
    return redis_stream.is_drained_to(end + CLOCK_MARGIN)


SOURCE = DigestSource(ACTION, rows, next_id, is_settled, ("calls",))

"""Stores the reservations and responses of POSTs with ``Idempotency-Key`` for ``base/rest/idempotency.py``.

Stored are a lookup digest of header, path and credential, an HMAC of the body under a pepper, and the response without
secrets. The header itself is not stored because clients put personal data into it, such as addresses. The lookup digest
has no pepper, so that it still matches after a pepper was rotated; a body under a retired pepper never matches.

Times are those of the web process (``timezone.now``). Correctness does not depend on synchronized clocks: a process
whose clock is ahead takes over a running request's reservation early; the first request then rolls back, because its
token is gone.
"""

import hashlib
import json
import uuid
from datetime import timedelta
from typing import Any, cast

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from apps.base.crypto.secrets import current_pepper, digest, matches
from apps.base.errors import Conflict
from apps.base.rest.idempotency import IdempotentRequest, StoredResponse, in_progress
from apps.base.rest.renderers import ONE_TIME_SECRETS, to_json
from apps.credentials.models import IdempotencyRecord
from apps.webhooks.engine.crash_points import CRASH_AT, crash

RETENTION = timedelta(hours=24)
RESERVATION_LIFETIME = timedelta(seconds=60)
MAX_ATTEMPTS = 3
PRUNE_BATCH, MAX_PRUNED = 500, 50_000
BODY_MISMATCH = "This Idempotency-Key was used with another body. Take a new key for another request."


class Record:
    """The record of one request: looks up a stored response, reserves the key, stores the response or releases it."""

    def __init__(self, request: IdempotentRequest) -> None:
        self._request = request
        self._lookup = lookup_digest(request)
        self._body = f"{self._lookup}:{hashlib.sha256(request.body).hexdigest()}"
        self._token = uuid.uuid4()

    def stored_response(self) -> StoredResponse | None:
        """Return the response of the last 24 hours to the same request with the same body, or None."""
        row = IdempotencyRecord.objects.filter(lookup=self._lookup).answered(timezone.now() - RETENTION).first()
        return self._stored_response(row) if row is not None and self._body_matches(row) else None

    def reserve(self) -> StoredResponse | None:
        """Reserve the key in a separate commit, or return the response that another request stored after the lookup.

        Raises Conflict where the first request is still running, or had another body.
        """
        for _try in range(MAX_ATTEMPTS):
            if self._insert():
                return None
            row = IdempotencyRecord.objects.filter(lookup=self._lookup).first()
            if row is None:  # released since
                continue
            if self._has_expired(row):
                if self._take_over(row):
                    return None
                continue
            if not self._body_matches(row):
                raise Conflict(BODY_MISMATCH, "idempotency_conflict")
            if row.status is not None:
                return self._stored_response(row)
            break
        raise in_progress()

    def _insert(self) -> bool:
        pepper_id = current_pepper()
        row = IdempotencyRecord(
            organization_id=cast(uuid.UUID, self._request.actor.organization_id),
            credential_kind=self._request.actor.kind,
            credential_id=cast(uuid.UUID, self._request.actor.pk),
            route=self._request.route[:120],
            lookup=self._lookup,
            body_digest=digest(self._body, pepper_id),
            pepper_id=pepper_id,
            token=self._token,
            reserved_at=timezone.now(),
        )
        IdempotencyRecord.objects.bulk_create([row], ignore_conflicts=True)
        return self._own_rows().exists()

    @staticmethod
    def _has_expired(row: IdempotencyRecord) -> bool:
        """Return whether the response or the reservation has expired."""
        return row.reserved_at <= timezone.now() - (RESERVATION_LIFETIME if row.status is None else RETENTION)

    def _take_over(self, row: IdempotencyRecord) -> bool:
        """Take the row over and return whether no other request did so first."""
        pepper_id = current_pepper()
        # Compare and set: matches for one of several concurrent requests, and not if the first has just finished.
        rows = IdempotencyRecord.objects.filter(pk=row.pk, token=row.token, status=row.status)
        return bool(
            rows.update(
                body_digest=digest(self._body, pepper_id),
                pepper_id=pepper_id,
                token=self._token,
                reserved_at=timezone.now(),
                status=None,
                answer="",
            )
        )

    def save(self, status: int, body: Any) -> bool:
        """Store the response without secrets in the current transaction; False where it lost its reservation."""
        response_text = "" if body is None else to_json(without_secrets(body))
        kept = self._own_rows().filter(status=None).update(status=status, answer=response_text)
        if CRASH_AT == "after_commit_before_answer":
            transaction.on_commit(crash)
        return bool(kept)

    def release(self) -> None:
        """Delete the reservation, if it is still this request's."""
        self._own_rows().filter(status=None).delete()

    def _own_rows(self) -> QuerySet[IdempotencyRecord]:
        return IdempotencyRecord.objects.filter(lookup=self._lookup, token=self._token)

    def _body_matches(self, row: IdempotencyRecord) -> bool:
        return matches(self._body, row.body_digest, row.pepper_id)

    @staticmethod
    def _stored_response(row: IdempotencyRecord) -> StoredResponse:
        return StoredResponse(row.status or 200, json.loads(row.answer) if row.answer else None)


def lookup_digest(request: IdempotentRequest) -> str:
    """Return the digest that identifies a request: header, method, path and credential.

    A session's credential is its user in the current organization.
    """
    actor = request.actor
    parts = [str(actor.kind), str(actor.pk), str(actor.organization_id), request.method, request.path, request.key]
    return hashlib.sha256(to_json(parts).encode()).hexdigest()


def without_secrets(value: Any) -> Any:
    """Return a response body without fields that are shown once, at any depth."""
    if isinstance(value, dict):
        return {name: without_secrets(inner) for name, inner in value.items() if name not in ONE_TIME_SECRETS}
    if isinstance(value, (list, tuple)):
        return [without_secrets(inner) for inner in value]
    return value


# The periodic job credentials.delete_idempotency_records (apps.py).
def prune() -> int:
    """Delete records older than 24 hours in batches and return how many."""
    oldest, pruned = timezone.now() - RETENTION, 0
    while pruned < MAX_PRUNED:
        old = IdempotencyRecord.objects.filter(reserved_at__lt=oldest)
        keys = list(old.values_list("pk", flat=True)[:PRUNE_BATCH])
        # Check the age again: a row that was taken over since is recent.
        pruned += old.filter(pk__in=keys).delete()[0]
        if len(keys) < PRUNE_BATCH:
            break
    return pruned

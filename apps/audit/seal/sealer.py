"""Sealing: one sealer at a time gives every committed change its sequence number and hash.

Entries to seal are in a queue (``Unsealed``) that a database trigger fills in the transaction of the entry. An entry
whose transaction commits late, with a lower id than entries already sealed, enters the queue with its commit and gets
the next number: the order of ids is not reliable, the queue is.

``seal_due`` takes a batch in the order of ids, continues each organization's chain (``apps.audit.seal.chain``), inserts
the seals and removes the entries from the queue, in one transaction. A lock keeps two sealers from doing the same work;
without it, the unique sequence number lets only one of them commit, and the other retries. The cost does not grow with
the log: the queue has unsealed entries only, and the end of a chain is one lookup.
"""

import logging
import time
import uuid
from typing import Any, NamedTuple

from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from apps.audit.models import Checkpoint, Seal, Unsealed
from apps.audit.seal.chain import canonical, genesis, link_hash
from apps.audit.seal.chain_rows import columns, to_link
from apps.base.identifiers import encode

logger = logging.getLogger(__name__)

BATCH = 500
MAX_SECONDS = 2.0
# The id of the PostgreSQL advisory lock: "portalSE" in ASCII.
LOCK = 0x706F_7274_616C_5345


class ChainEnd(NamedTuple):
    """The end of an organization's chain; of an empty one, number 0 and the hash before number 1."""

    seq: int
    hash: str


def chain_end(organization_id: uuid.UUID) -> ChainEnd:
    """Return the end of the organization's chain."""
    seal = Seal.objects.filter(organization_id=organization_id).order_by("-seq").values_list("seq", "hash").first()
    # If retention has removed every seal, the checkpoint of its cut is the end.
    point = (
        Checkpoint.objects.filter(organization_id=organization_id).order_by("-seq").values_list("seq", "hash").first()
        if seal is None
        else None
    )
    found = seal or point
    return ChainEnd(*found) if found else ChainEnd(0, genesis(encode("org", organization_id)))


# The periodic job audit.seal_entries (apps.py).
def seal_due(stop_after: float = MAX_SECONDS) -> int:
    """Seal committed entries for at most ``stop_after`` seconds and return how many were sealed."""
    sealed, until = 0, time.monotonic() + stop_after
    while time.monotonic() < until and Unsealed.objects.exists():
        try:
            count = _seal_batch()
        except IntegrityError:
            logger.info("another worker sealed the same entries; nothing is lost, this one looks again")
            break
        sealed += count or 0
        if not count:
            break
    return sealed


def _seal_batch() -> int | None:
    """Seal the oldest entries of the queue and return how many left it; None if another sealer is running."""
    with transaction.atomic(), connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [LOCK])
            if not cursor.fetchone()[0]:
                return None
        cursor.execute(
            f"SELECT s.seq, e.organization_id, {columns(connection)} FROM audit_unsealed u"  # noqa: S608
            " JOIN audit_auditentry e ON e.id = u.entry_id LEFT JOIN audit_seal s ON s.entry_id = u.entry_id"
            " ORDER BY u.entry_id LIMIT %s",
            [BATCH],
        )
        rows = cursor.fetchall()
        # Restoring a dump can queue entries again that are already sealed.
        Seal.objects.bulk_create(_seals([row[1:] for row in rows if row[0] is None]), BATCH)
        Unsealed.objects.filter(entry_id__in=[to_link(row[2:]).id for row in rows]).delete()
    return len(rows)


def _seals(rows: list[tuple[Any, ...]]) -> list[Seal]:
    """Continue the chains of the organizations that the rows belong to."""
    ends: dict[uuid.UUID, ChainEnd] = {}
    seals, now = [], timezone.now()
    for organization, *row in rows:
        organization_id = organization if isinstance(organization, uuid.UUID) else uuid.UUID(hex=organization)
        end = ends.get(organization_id) or chain_end(organization_id)
        entry = to_link(tuple(row))
        following = ChainEnd(end.seq + 1, link_hash(end.hash, canonical(end.seq + 1, entry)))
        ends[organization_id] = following
        seals.append(
            Seal(entry_id=entry.id, organization_id=organization_id, seq=following.seq, hash=following.hash,
                 sealed_at=now)
        )  # fmt: skip
    return seals

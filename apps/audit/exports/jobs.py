"""Exports as stored jobs: a periodic job of every worker writes the file in pieces into the database.

A piece and the position after it are committed together, and only if no other worker wrote that piece: a killed worker,
or two workers at one job, neither lose nor repeat rows. Rows are read outside of transactions. A job first waits for
pending seals, so that the file has every change that was committed before it.
"""

import gzip
import logging
import time
import uuid
from collections.abc import Iterator
from datetime import timedelta

from django.conf import settings
from django.db import OperationalError, transaction
from django.db.models import Exists, F, OuterRef, Q
from django.utils import timezone, translation

from apps.audit.exports import reader
from apps.audit.exports.reader import RemainingSpan
from apps.audit.models import AuditExport, ExportChunk, ExportStatus, Unsealed
from apps.audit.timeline.serialization import write_head, write_lines
from apps.audit.timeline.sources import Filters, Row
from apps.base.actor import Actor, system

logger = logging.getLogger(__name__)

# Per run: other periodic jobs wait for the same thread.
MAX_SECONDS = 1.0
PIECE_ROWS = 5000
PIECE_SECONDS = 0.5
CLAIM_DURATION = timedelta(seconds=15)
MAX_SEAL_WAIT = timedelta(minutes=2)
MAX_FAILURES = 5
ROW_RETENTION = timedelta(days=90)
DELETE_BATCH = 100
# States in which an export has no file.
WITHOUT_FILE = (ExportStatus.CANCELLED, ExportStatus.FAILED, ExportStatus.EXPIRED)


# The periodic job audit.write_exports (apps.py).
def advance() -> int:
    """Continue unfinished exports for up to MAX_SECONDS and return how many rows were written."""
    until, written = time.monotonic() + MAX_SECONDS, 0
    # In random order: if one run is too short for all, none is always the last.
    for key in AuditExport.objects.unfinished().order_by("?").values_list("pk", flat=True):
        if time.monotonic() < until:
            written += _advance_one(key, until)
    return written


def _advance_one(key: uuid.UUID, until: float) -> int:
    now = timezone.now()
    unclaimed = AuditExport.objects.unfinished().filter(Q(claimed_until=None) | Q(claimed_until__lt=now), pk=key)
    if not unclaimed.update(claimed_until=now + CLAIM_DURATION):
        return 0
    job = AuditExport.objects.get(pk=key)
    actor, filters = system(job.organization_id), reader.filters_from(job.filters)
    try:
        return _write_export(job, actor, filters, until)
    except OperationalError:
        # The database is unreachable or busy: the next run continues.
        raise
    except Exception:
        logger.exception("a round of the export %s failed", job.public_id)
        _count_failure(job)
        return 0
    finally:
        AuditExport.objects.filter(pk=key).update(claimed_until=None)


def _write_export(job: AuditExport, actor: Actor, filters: Filters, until: float) -> int:
    if job.status == ExportStatus.ESTIMATING and not _estimate(job, actor, filters):
        return 0
    written, is_mine = 0, True
    while is_mine and job.legs and time.monotonic() < until:
        rows, spans = _read(actor, filters, [RemainingSpan(*span) for span in job.legs])
        is_mine = _write(job, rows, spans)
        written += len(rows) if is_mine else 0
    if is_mine and not job.legs:
        _finish(job)
    return written


def _estimate(job: AuditExport, actor: Actor, filters: Filters) -> bool:
    """Set the spans and count their rows; return False while changes from before the job are not sealed yet."""
    earlier = Unsealed.objects.filter(entry__organization_id=job.organization_id, entry_id__lt=job.pk)
    if timezone.now() - job.created_at < MAX_SEAL_WAIT and earlier.exists():
        return False
    spans = reader.remaining_spans(actor, filters)
    count = reader.count(actor, filters, spans)
    fresh = AuditExport.objects.filter(pk=job.pk, status=ExportStatus.ESTIMATING)
    job.legs, job.count, job.status = [list(span) for span in spans], count, ExportStatus.RUNNING
    return bool(fresh.update(legs=job.legs, count=count, status=job.status))


def _read(actor: Actor, filters: Filters, spans: list[RemainingSpan]) -> tuple[list[Row], list[RemainingSpan]]:
    """Read rows for a piece: until there are PIECE_ROWS of them, or for PIECE_SECONDS."""
    rows: list[Row] = []
    deadline = time.monotonic() + PIECE_SECONDS
    with translation.override("en"):
        while spans and len(rows) < PIECE_ROWS and time.monotonic() < deadline:
            found, spans = reader.read_step(actor, filters, spans)
            rows += found
    return rows, spans


def _write(job: AuditExport, rows: list[Row], spans: list[RemainingSpan]) -> bool:
    """Commit a piece with the position after it; return False if the job was canceled or another worker wrote it."""
    with translation.override("en"):
        text = write_lines(job.file_format, rows)
    body = ((write_head(job.file_format) if job.chunks == 0 else "") + text).encode()
    remaining = [list(span) for span in spans]
    with transaction.atomic():
        mine = AuditExport.objects.filter(pk=job.pk, status=ExportStatus.RUNNING, version=job.version)
        is_mine = mine.update(
            version=F("version") + 1,
            legs=remaining,
            chunks=F("chunks") + int(bool(body)),
            written=F("written") + len(rows),
            size=F("size") + len(body),
            failures=0,
            claimed_until=timezone.now() + CLAIM_DURATION,
        )
        if is_mine and body:
            ExportChunk.objects.create(export=job, number=job.chunks, body=gzip.compress(body, 6, mtime=0))
    if is_mine:
        job.legs, job.chunks, job.version = remaining, job.chunks + int(bool(body)), job.version + 1
    return bool(is_mine)


def _finish(job: AuditExport) -> None:
    """Mark the export as done; a file without rows still gets its header."""
    if job.chunks == 0 and write_head(job.file_format) and not _write(job, [], []):
        return
    now = timezone.now()
    AuditExport.objects.filter(pk=job.pk, status=ExportStatus.RUNNING).update(
        status=ExportStatus.DONE, finished_at=now, expires_at=now + timedelta(days=settings.RETENTION_DAYS_EXPORTS)
    )


def _count_failure(job: AuditExport) -> None:
    """Count a failure; after MAX_FAILURES in a row the export fails."""
    rows = AuditExport.objects.unfinished().filter(pk=job.pk)
    rows.update(failures=F("failures") + 1)
    rows.filter(failures__gte=MAX_FAILURES).update(status=ExportStatus.FAILED, finished_at=timezone.now())


def file_chunks(job: AuditExport) -> Iterator[bytes]:
    """Yield the file in pieces. Raises RuntimeError for a missing one, which aborts the response."""
    for number in range(job.chunks):
        body = ExportChunk.objects.filter(export=job, number=number).values_list("body", flat=True).first()
        if body is None:
            raise RuntimeError(f"piece {number} of the export {job.public_id} is gone")
        yield gzip.decompress(bytes(body))


# The periodic job audit.delete_old_exports (apps.py).
def remove_old() -> None:
    """Delete some of the expired files, and rows after ROW_RETENTION."""
    now = timezone.now()
    AuditExport.objects.filter(status=ExportStatus.DONE, expires_at__lt=now).update(status=ExportStatus.EXPIRED)
    finished = AuditExport.objects.filter(status__in=WITHOUT_FILE)
    with_pieces = finished.filter(Exists(ExportChunk.objects.filter(export=OuterRef("pk")))).values_list(
        "pk", flat=True
    )
    pieces = ExportChunk.objects.filter(export__in=list(with_pieces[:DELETE_BATCH])).values_list("pk", flat=True)
    ExportChunk.objects.filter(pk__in=list(pieces[:DELETE_BATCH])).delete()
    outdated = finished.filter(created_at__lt=now - ROW_RETENTION, pieces=None).values_list("pk", flat=True)
    AuditExport.objects.filter(pk__in=list(outdated[:DELETE_BATCH])).delete()

"""Verification of stored calls, attempts and events against the digests of their hours."""

import uuid

from apps.audit.models import Round
from apps.audit.retention import windows
from apps.audit.seal.digests import (
    HOUR,
    ROWS_PER_STEP,
    Digest,
    DigestSource,
    digest_sources,
    extend_digest,
    initial_digest,
)
from apps.audit.timeline.sources import uuid7_floor
from apps.base.timestamps import database_now

Problem = tuple[int | None, str]


def check_digests(organization_id: uuid.UUID, digests: list[Digest]) -> tuple[Problem | None, int]:
    """Return the first problem, if any, and how many hours were checked.

    Hours that retention has possibly trimmed are left out.
    """
    hours = 0
    for name, source in digest_sources().items():
        found = [digest for digest in digests if digest.action == source.action]
        problem, count = _check_kind(organization_id, name, source, found)
        hours += count
        if problem is not None:
            return problem, hours
    return None, hours


def _check_kind(
    organization_id: uuid.UUID, name: str, source: DigestSource, digests: list[Digest]
) -> tuple[Problem | None, int]:
    since = windows.complete_since(organization_id, source.retention_kinds)
    # An hour that retention has started to trim is incomplete.
    recent = sorted((digest for digest in digests if digest.hour >= since), key=lambda digest: digest.hour)
    for index, digest in enumerate(recent):
        if index and digest.hour < recent[index - 1].hour + HOUR:
            return (digest.seq, f"the hour {digest.hour:%Y-%m-%d %H:%M} has two digests ({source.action})"), index
        problem = _check_hour(organization_id, source, digest)
        if problem is None and index:
            problem = _check_between(organization_id, source, recent[index - 1], digest)
        if problem is not None:
            return problem, index
    return _check_after(organization_id, name, source, recent), len(recent)


def _check_hour(organization_id: uuid.UUID, source: DigestSource, digest: Digest) -> Problem | None:
    first, before = uuid7_floor(digest.hour), uuid7_floor(digest.hour + HOUR)
    found, rows = initial_digest(source.action, organization_id, digest.hour), 0
    while True:
        part = source.rows(organization_id, first, before, ROWS_PER_STEP)
        found, rows = extend_digest(found, [text for _key, text in part]), rows + len(part)
        if len(part) < ROWS_PER_STEP:
            break
        first = uuid.UUID(int=part[-1][0].int + 1)
    if (rows, found) == (digest.rows, digest.sha256):
        return None
    what = f"{rows} rows are kept and {digest.rows} went in" if rows != digest.rows else "a row of it was changed"
    return digest.seq, f"the digest of {digest.hour:%Y-%m-%d %H:%M} ({source.action}) does not match: {what}"


def _check_between(organization_id: uuid.UUID, source: DigestSource, before: Digest, after: Digest) -> Problem | None:
    if not source.rows(organization_id, uuid7_floor(before.hour + HOUR), uuid7_floor(after.hour), 1):
        return None
    return after.seq, f"rows of before {after.hour:%Y-%m-%d %H:%M} are in no digest ({source.action})"


def _check_after(organization_id: uuid.UUID, name: str, source: DigestSource, digests: list[Digest]) -> Problem | None:
    """Check that no completed hour after the last digest has rows."""
    cursor = Round.objects.filter(name=f"digest.{name}").first()
    if not digests or cursor is None or cursor.hour is None:
        return None
    done = min(cursor.hour, database_now() - HOUR)
    if digests[-1].hour + HOUR >= done:
        return None
    if not source.rows(organization_id, uuid7_floor(digests[-1].hour + HOUR), uuid7_floor(done), 1):
        return None
    return None, f"rows of after {digests[-1].hour:%Y-%m-%d %H:%M} are in no digest ({source.action})"

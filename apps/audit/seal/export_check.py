"""Verification of an export as JSON Lines, from the file itself and from hashes that are known otherwise.

The changes of a file must be consecutive, from any number on. The file alone does not prove its first change, unless
the hash before it is known from elsewhere, nor what follows its end. A repeated change, as in an export that was
resumed, counts once.
"""

import hashlib
import json
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db import DatabaseError
from django.db.models import QuerySet

from apps.audit.models import AuditEntry, Checkpoint, Seal
from apps.audit.seal.chain import canonical_of_line, genesis, link_hash
from apps.base.identifiers import decode, encode
from apps.orgs.models import Organization

# How many of the last changes can be repeated.
MAX_REMEMBERED = 20_000
NOT_LINES = "This is not an export as JSON Lines: a CSV file cannot be verified, export with format=jsonl."


class InvalidExportFile(ValueError):
    """The file is not an export as JSON Lines; the message says why."""


@dataclass(slots=True)
class FileReport:
    """The result. ``first``, ``last``: sequence numbers, or 0; ``unproved``: changes that the file cannot prove."""

    first: int = 0
    last: int = 0
    count: int = 0
    other_rows: int = 0
    repeated: int = 0
    unproved: list[int] = field(default_factory=list)
    gaps: list[tuple[int, int]] = field(default_factory=list)
    last_hash: str = ""
    finding: tuple[int | None, str] | None = None


class _Mismatch(Exception):
    pass


def check_lines(
    lines: Iterable[bytes],
    stored_hash: Callable[[int], str | None],
    checkpoint_hashes: Mapping[int, str],
    filtered: bool = False,
) -> FileReport:
    """Check the lines.

    ``stored_hash(seq)``: the hash of a number in the stored chain, or None; called where the file has a gap and for its
    end.
    ``checkpoint_hashes``: hashes of checkpoints by number. ``filtered``: numbers can be missing. Raises
    InvalidExportFile for another kind of file.
    """
    check = _Check(stored_hash, checkpoint_hashes, filtered)
    try:
        for seq, line, raw in _changes(lines, check.report):
            check.check_change(seq, line, raw)
        check.check_end()
    except _Mismatch:
        pass
    return check.report


def _changes(lines: Iterable[bytes], report: FileReport) -> Iterator[tuple[int, dict[str, Any], bytes]]:
    """Yield the changes of the file and count the other rows."""
    for number, raw in enumerate(lines, 1):
        if not raw.strip():
            continue
        line = _read(raw, number)
        if line["category"] != "change":
            report.other_rows += 1
            continue
        seq, stored = line.get("seq"), line.get("hash")
        if type(seq) is not int or seq < 1 or not isinstance(stored, str):
            raise InvalidExportFile(
                f"Line {number} is a change without a sequence number: exports hold sealed changes only."
            )
        yield seq, line, raw


def _read(raw: bytes, number: int) -> dict[str, Any]:
    try:
        line = json.loads(raw, object_pairs_hook=_reject_duplicates)
    except (ValueError, RecursionError):
        line = None
    if isinstance(line, dict) and isinstance(line.get("category"), str):
        return line
    if number == 1:
        raise InvalidExportFile(NOT_LINES)
    raise InvalidExportFile(f"Line {number} is not a row of an export: the file was cut short or changed.")


def _reject_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Raise ValueError for a repeated name, which programs read differently; exports never have one."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError
    return found


class _Check:
    def __init__(
        self, stored_hash: Callable[[int], str | None], checkpoint_hashes: Mapping[int, str], filtered: bool
    ) -> None:
        self.report, self.stored_hash, self.checkpoint_hashes, self.filtered = (
            FileReport(),
            stored_hash,
            checkpoint_hashes,
            filtered,
        )
        self.seen: dict[int, bytes] = {}

    def check_change(self, seq: int, line: dict[str, Any], raw: bytes) -> None:
        """Check the next change of the file."""
        report = self.report
        if report.last and seq <= report.last:
            self._check_repeated(seq, raw)
            return
        previous = self._previous(seq)
        try:
            row = canonical_of_line(line)
            hashed = line["hash"] if previous is None else link_hash(previous, row)
        except (KeyError, ValueError):
            self._stop(seq, "a field of it is missing, or cannot be read")
        if hashed != line["hash"]:
            self._stop(seq, "the row does not match its hash")
        if self.checkpoint_hashes.get(seq, hashed) != hashed:
            self._stop(seq, "the hash is not that of the checkpoint: the chain was made anew, at this number or before")
        report.first, report.last, report.last_hash = report.first or seq, seq, hashed
        report.count += 1
        self._remember(seq, raw)

    def check_end(self) -> None:
        """Compare the end of the file with the checkpoints and the stored chain."""
        last = self.report.last
        beyond = sorted(seq for seq in self.checkpoint_hashes if seq > last)
        if beyond:
            self._stop(
                last + 1, f"the file ends at {last} and the checkpoint stands at {beyond[0]}: its end is missing"
            )
        if last and self.stored_hash(last) not in (None, self.report.last_hash):
            self._stop(last, "the portal's chain has another hash here: the file, or the chain, was made anew")

    def _previous(self, seq: int) -> str | None:
        """Return the hash before a number, from the file or from the stored chain."""
        report = self.report
        if report.last == seq - 1 and report.count:
            return report.last_hash
        if report.count:
            if not self.filtered:
                self._stop(report.last + 1, "it is missing; if the export was filtered on purpose, say --filtered")
            report.gaps.append((report.last + 1, seq - 1))
        previous = self.stored_hash(seq - 1)
        if previous is None:
            report.unproved.append(seq)
        return previous

    def _check_repeated(self, seq: int, raw: bytes) -> None:
        if self.seen.get(seq) != hashlib.sha256(raw.strip()).digest():
            self._stop(seq, f"it comes after {self.report.last}, and is no repetition")
        self.report.repeated += 1

    def _remember(self, seq: int, raw: bytes) -> None:
        self.seen[seq] = hashlib.sha256(raw.strip()).digest()
        if len(self.seen) > MAX_REMEMBERED:
            self.seen.pop(next(iter(self.seen)))

    def _stop(self, seq: int, why: str) -> Any:
        self.report.finding = (seq, why)
        raise _Mismatch


def hash_of(organization_id: uuid.UUID | None, seq: int) -> str | None:
    """Return the hash of a sequence number, or None if it is unknown or was removed by retention."""
    if organization_id is None:
        return None
    if seq == 0:
        return genesis(encode("org", organization_id))
    for rows in (Seal.objects, Checkpoint.objects):
        found = rows.filter(organization_id=organization_id, seq=seq).values_list("hash", flat=True)
        if hashes := _read_if_available(found):
            return str(hashes[0])
    return None


def organization_of(entry_id: object) -> uuid.UUID | None:
    """Return the organization of an entry by the entry's public id, or None if there is no such entry."""
    key = decode("aud", entry_id) if isinstance(entry_id, str) else None
    if key is None:
        return None
    found = _read_if_available(AuditEntry.objects.filter(pk=key).values_list("organization_id", flat=True))
    return found[0] if found else None


def organizations() -> dict[uuid.UUID, str]:
    """Return the slug of every organization by its primary key, including closed ones."""
    return dict(Organization.objects.order_by("slug").values_list("pk", "slug"))


def slug_of(organization_id: uuid.UUID | None) -> str | None:
    """Return the slug of an organization, or its public id if it is not in the database."""
    if organization_id is None:
        return None
    slugs = _read_if_available(Organization.objects.filter(pk=organization_id).values_list("slug"))
    return str(slugs[0][0]) if slugs else encode("org", organization_id)


def _read_if_available(rows: QuerySet[Any, Any]) -> list[Any]:
    """Return the first row, or none if there is no database (yet): a file can be checked without one."""
    try:
        return list(rows[:1])
    except DatabaseError:
        return []

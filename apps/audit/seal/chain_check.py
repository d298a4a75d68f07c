"""Verification of an organization's chain in the database, row by row, in constant memory.

Detects: a sequence number that is missing or used by another row, a row that does not match its hash, an entry of
another organization, a truncated or rebuilt chain (both by checkpoints), entries that were never sealed, and rows of
calls, attempts and events that do not match the digest of their hour.
"""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, NamedTuple

from django.db import connection
from django.utils import timezone

from apps.audit.models import Checkpoint, Cut, Seal, Unsealed
from apps.audit.seal import checkpoints
from apps.audit.seal.chain import Link, canonical, genesis, link_hash
from apps.audit.seal.chain_rows import columns, database_id, to_link
from apps.audit.seal.digest_check import check_digests
from apps.audit.seal.digests import Digest, digest_sources, parse_digest
from apps.base.identifiers import encode

BATCH = 2000
TRIMMED = "audit.trimmed"
CHAIN_REBUILT = "the hash is not that of the checkpoint: the chain was made anew, at this number or before"
# A worker seals within seconds. Entries that are unsealed for longer are a finding.
MAX_SEAL_DELAY = timedelta(minutes=10)


class Finding(NamedTuple):
    """What is wrong, and the first sequence number affected, None if it has none."""

    seq: int | None
    why: str


@dataclass(slots=True)
class Report:
    """The result: ``count`` changes checked up to number ``last``, after number ``start`` (0, or a retention cut)."""

    start: int = 0
    last: int = 0
    count: int = 0
    waiting: int = 0
    checkpoints: int = 0
    hours: int = 0
    hours_left_out: int = 0
    finding: Finding | None = None
    notes: list[str] = field(default_factory=list)


class _Mismatch(Exception):
    def __init__(self, seq: int | None, why: str) -> None:
        super().__init__(why)
        self.finding = Finding(seq, why)


def check(organization_id: uuid.UUID, external: dict[str, Any] | None = None) -> Report:
    """Verify the chain of an organization.

    ``external``: a checkpoint of it that was stored elsewhere, as ``checkpoints.read`` returns it.
    """
    while True:
        cut = _newest_cut(organization_id)
        report = Report(start=cut.seq if cut else 0)
        try:
            _Check(organization_id, cut, external, report).run()
        except _Mismatch as stop:
            report.finding = stop.finding
        # If retention has cut the log since, the missing rows were removed by it: check again.
        if report.finding is None or _newest_cut(organization_id) == cut:
            return report


def _newest_cut(organization_id: uuid.UUID) -> Cut | None:
    rows = Cut.objects.filter(organization_id=organization_id).select_related("checkpoint")
    return rows.order_by("-seq").first()


class _Check:
    def __init__(
        self, organization_id: uuid.UUID, cut: Cut | None, external: dict[str, Any] | None, report: Report
    ) -> None:
        self.organization_id, self.cut, self.external, self.report = organization_id, cut, external, report
        self.checkpoint_hashes: dict[int, str] = {}
        self.digests: list[Digest] = []
        self.actions = {source.action for source in digest_sources().values()}
        self.trimmed: set[str] = set()

    def run(self) -> None:
        self.report.last = self.report.start
        self._read_points()
        end = self._verify_rows()
        self._check_end(end)
        self._check_queue()
        self._check_cut()
        problem, self.report.hours = check_digests(self.organization_id, self.digests)
        if problem is not None:
            raise _Mismatch(*problem)
        self.report.hours_left_out = len(self.digests) - self.report.hours

    def _read_points(self) -> None:
        own = checkpoints.own_public_key()
        foreign = 0
        for point in Checkpoint.objects.filter(organization_id=self.organization_id, seq__gte=self.report.start):
            if not checkpoints.is_signed(checkpoints.as_json(point)):
                raise _Mismatch(point.seq, "the signature of the checkpoint at this number does not hold")
            foreign += point.public_key != own
            if self.checkpoint_hashes.setdefault(point.seq, point.hash) != point.hash:
                raise _Mismatch(point.seq, "two checkpoints of this number differ")
            self.report.checkpoints += 1
        if foreign:
            self.report.notes.append(f"{foreign} of the checkpoints are signed by another key than today's")
        if self.external is not None:
            self._add_external(self.external)

    def _add_external(self, external: dict[str, Any]) -> None:
        seq = external["seq"]
        if seq < self.report.start:
            self.report.notes.append(f"the checkpoint of number {seq} is older than what is kept, and says nothing")
        elif self.checkpoint_hashes.setdefault(seq, external["hash"]) != external["hash"]:
            raise _Mismatch(seq, "the checkpoint that was kept outside and the portal's own of this number differ")

    def _verify_rows(self) -> str:
        previous = self.cut.checkpoint.hash if self.cut else genesis(encode("org", self.organization_id))
        seq = self.report.start
        self._compare(seq, previous)
        organization = database_id(connection, self.organization_id)
        for number, stored, owner, entry in self._rows():
            seq += 1
            if number != seq:
                raise _Mismatch(seq, "it is missing")
            if entry is None:
                raise _Mismatch(seq, "its entry is gone")
            if owner != organization:
                raise _Mismatch(seq, "its entry belongs to another organization")
            try:
                previous = link_hash(previous, canonical(seq, entry))
            except ValueError:
                raise _Mismatch(seq, "its entry cannot be read") from None
            if previous != stored:
                raise _Mismatch(seq, "the row does not match its hash")
            if seq in self.checkpoint_hashes:
                self._compare(seq, stored)
            if entry.action in self.actions:
                self._read_digest(seq, entry)
            elif entry.action == TRIMMED:
                self.trimmed.add(entry.changes)
            self.report.count += 1
            self.report.last = seq
        return previous

    def _compare(self, seq: int, stored: str) -> None:
        if self.checkpoint_hashes.get(seq, stored) != stored:
            raise _Mismatch(seq, CHAIN_REBUILT)

    def _read_digest(self, seq: int, entry: Link) -> None:
        digest = parse_digest(entry.action, seq, entry.target_id, entry.changes)
        if digest is None:
            raise _Mismatch(seq, "it is a digest that cannot be read")
        self.digests.append(digest)

    def _rows(self) -> Iterator[tuple[int, str, Any, Link | None]]:
        after = self.report.start
        statement = (
            f"SELECT s.seq, s.hash, e.organization_id, {columns(connection)} FROM audit_seal s"  # noqa: S608
            " LEFT JOIN audit_auditentry e ON e.id = s.entry_id"
            " WHERE s.organization_id = %s AND s.seq > %s ORDER BY s.seq LIMIT %s"
        )
        organization = database_id(connection, self.organization_id)
        while True:
            with connection.cursor() as cursor:
                cursor.execute(statement, [organization, after, BATCH])
                found = cursor.fetchall()
            for row in found:
                yield row[0], row[1], row[2], None if row[3] is None else to_link(row[3:])
            if len(found) < BATCH:
                return
            after = found[-1][0]

    def _check_end(self, end: str) -> None:
        last = self.report.last
        beyond = sorted(seq for seq in self.checkpoint_hashes if seq > last)
        if beyond:
            raise _Mismatch(
                last + 1, f"the chain ends at {last} and a checkpoint stands at {beyond[0]}: its end was cut off"
            )

    def _check_queue(self) -> None:
        """Check entries without a seal: recent ones wait for the sealer, old ones are a finding."""
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT e.id FROM audit_auditentry e LEFT JOIN audit_seal s ON s.entry_id = e.id"
                " WHERE e.organization_id = %s AND s.entry_id IS NULL ORDER BY e.id",
                [database_id(connection, self.organization_id)],
            )
            found = [row[0] if isinstance(row[0], uuid.UUID) else uuid.UUID(hex=row[0]) for row in cursor]
        queued = {
            each.entry_id: each.entry.at
            for start in range(0, len(found), 500)
            for each in Unsealed.objects.filter(entry_id__in=found[start : start + 500]).select_related("entry")
        }
        oldest = timezone.now() - MAX_SEAL_DELAY
        for entry_id in found:
            if entry_id not in queued:
                if Seal.objects.filter(pk=entry_id).exists():
                    continue  # sealed meanwhile
                raise _Mismatch(None, f"the entry {encode('aud', entry_id)} has no seal and waits for none")
            if queued[entry_id] < oldest:
                raise _Mismatch(
                    None,
                    f"{len(found)} entries are not sealed, the first of them {encode('aud', entry_id)} of"
                    f" {queued[entry_id]:%Y-%m-%d %H:%M:%S}: is a worker running?",
                )
        self.report.waiting = len(found)

    def _check_cut(self) -> None:
        """Check the cut's signature, and that an entry after it records the cut."""
        if self.cut is None:
            return
        if not checkpoints.is_signed(checkpoints.as_json(self.cut.checkpoint)):
            raise _Mismatch(self.cut.seq, "the log was cut at a checkpoint whose signature does not hold")
        recorded = {changes.replace(" ", "") for changes in self.trimmed}
        if f'"up_to":[null,{self.cut.seq}]' not in "".join(recorded) and not self.report.waiting:
            raise _Mismatch(self.cut.seq + 1, f"the log was cut after {self.cut.seq}, and no entry says so")

"""The command that verifies the chain of the audit log, in the database or in an exported file."""

import json
import uuid
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from apps.audit.seal import chain_check, checkpoints, export_check
from apps.audit.seal.export_check import hash_of, organization_of, organizations, slug_of
from apps.base.commands import PortalCommand
from apps.base.identifiers import decode, encode
from apps.orgs.lookups import organization_pk

MAX_CHECKPOINT_BYTES = 10_000
MAX_LINE_BYTES = 4 * 1024 * 1024


class Command(PortalCommand):
    help = "Check the chain of the audit log, in the database or of a file exported as JSON Lines."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options: organization, file and checkpoint."""
        super().add_arguments(parser)
        parser.add_argument("--org", metavar="SLUG", help="this organization only")
        parser.add_argument("--file", metavar="EXPORT", help="an export as JSON Lines, instead of the database")
        parser.add_argument("--filtered", action="store_true", help="with --file: numbers may be missing")
        parser.add_argument("--checkpoint", metavar="FILE", help="a checkpoint that was kept elsewhere")
        parser.add_argument("--public-key", metavar="BASE64", help="who signed it, where that was another key")
        parser.add_argument("--show-key", action="store_true", help="only show the public key of checkpoints")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the result and exit with status 1 if there are findings."""
        self.findings: list[str] = []
        super().handle(*args, **options)
        if self.findings:
            raise CommandError(" ".join(self.findings))

    def run_command(self, **options: Any) -> dict[str, Any]:
        """Verify the file, or the chains in the database."""
        if options["show_key"]:
            key = checkpoints.own_public_key()
            return {"public_key": key, "key_id": checkpoints.key_id(key)}
        external = self._read_checkpoint(options)
        return self._check_file(external, options) if options["file"] else self._check_database(external, options)

    def _read_checkpoint(self, options: dict[str, Any]) -> dict[str, Any] | None:
        if not options["checkpoint"]:
            return None
        try:
            with Path(options["checkpoint"]).open("rb") as file:
                text = file.read(MAX_CHECKPOINT_BYTES).decode()
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(_cannot_read(options["checkpoint"], error)) from None
        found = checkpoints.read(text)
        if found["public_key"] != (options["public_key"] or checkpoints.own_public_key()):
            raise CommandError(
                f"The checkpoint is signed by the key {found['key_id']}, which is not the portal's of today. If"
                " AUDIT_SIGNING_KEY was changed since, name the old public key with --public-key."
            )
        return found

    def _check_database(self, external: dict[str, Any] | None, options: dict[str, Any]) -> dict[str, Any]:
        chosen = organizations()
        if options["org"]:
            key = organization_pk(options["org"])
            chosen = {key: chosen[key]}
        checkpoint_org = decode("org", external["organization"]) if external else None
        if external and checkpoint_org not in chosen:
            raise CommandError("The checkpoint is of another organization." if options["org"] else
                               "The checkpoint is of an organization that is not in this portal.")  # fmt: skip
        lines, count = {}, 0
        for key, slug in chosen.items():
            report = chain_check.check(key, external if key == checkpoint_org else None)
            count += report.count
            lines[slug] = _describe(report)
            if report.finding is not None:
                self._add_finding(slug, report.finding.seq, report.finding.why)
        return {**lines, "changes": count, "bad": len(self.findings)}

    def _add_finding(self, subject: str, seq: int | None, why: str) -> None:
        where = "Not in order" if seq is None else f"The first bad sequence number is {seq}"
        self.findings.append(f"{subject}: {where}: {why}.")

    def _check_file(self, external: dict[str, Any] | None, options: dict[str, Any]) -> dict[str, Any]:
        path = options["file"]
        try:
            owner = organization_pk(options["org"]) if options["org"] else _organization(path, external)
            checkpoint_hashes = {external["seq"]: external["hash"]} if external else {}
            if external and owner is not None and encode("org", owner) != external["organization"]:
                raise CommandError("The file and the checkpoint are of two organizations.")
            with Path(path).open("rb") as file:
                lines = iter(partial(file.readline, MAX_LINE_BYTES), b"")
                report = export_check.check_lines(
                    lines, lambda seq: hash_of(owner, seq), checkpoint_hashes, options["filtered"]
                )
        except OSError as error:
            raise CommandError(_cannot_read(path, error)) from None
        except export_check.InvalidExportFile as error:
            raise CommandError(str(error)) from None
        if report.finding is not None:
            self._add_finding(Path(path).name, *report.finding)
        elif not report.count:
            raise CommandError("There is no change in this file, so there is nothing to verify.")
        return _describe_file(report, slug_of(owner))


def _organization(path: str, external: dict[str, Any] | None) -> uuid.UUID | None:
    """Return the file's organization, by the checkpoint or by looking up its first changes in the database."""
    if external:
        return decode("org", external["organization"])
    with Path(path).open("rb") as file:
        for raw in islice(iter(partial(file.readline, MAX_LINE_BYTES), b""), 1000):
            try:
                line = json.loads(raw)
            except (ValueError, RecursionError):
                return None
            found = organization_of(line.get("id")) if isinstance(line, dict) else None
            if found:
                return found
    return None


def _cannot_read(path: str, error: Exception) -> str:
    reason = getattr(error, "strerror", None) or "it is no text"
    return f"The file {path} cannot be read: {reason}."


def _describe(report: chain_check.Report) -> str:
    parts = [f"{report.count} changes verified"]
    if report.count:
        parts.append(f"numbers {report.start + 1} to {report.last}")
    if report.start:
        parts.append(f"what was up to {report.start} was removed by retention")
    if report.waiting:
        parts.append(f"{report.waiting} wait for their seal")
    parts += [f"{report.checkpoints} checkpoints", f"{report.hours} digests of hours"]
    if report.hours_left_out:
        parts.append(f"{report.hours_left_out} digests are of hours that retention may have touched")
    parts += report.notes
    if report.finding is not None:
        parts = [f"BAD from {'-' if report.finding.seq is None else report.finding.seq}", report.finding.why, *parts]
    return "; ".join(parts)


def _describe_file(report: export_check.FileReport, organization: str | None) -> dict[str, Any]:
    unproved = (
        f"the changes {_summarize_numbers(report.unproved)}: the hash before is not known" if report.unproved else None
    )
    return {
        "organization": organization,
        "changes": report.count,
        "first": report.first,
        "last": report.last,
        "not_proved": unproved,
        "missing": ", ".join(f"{first} to {last}" for first, last in report.gaps[:10]) or None,
        "repeated": report.repeated,
        "other_rows": report.other_rows,
        "bad": None if report.finding is None else report.finding[0],
    }


def _summarize_numbers(numbers: list[int]) -> str:
    shown = ", ".join(map(str, numbers[:10]))
    return shown if len(numbers) <= 10 else f"{shown} and {len(numbers) - 10} more"

"""Actions of the audit log: recording changes, exporting the log, and creating checkpoints."""

import json
import uuid
from collections.abc import Iterator
from typing import Any, cast

from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.audit.exports import reader
from apps.audit.exports.jobs import file_chunks
from apps.audit.models import AuditEntry, AuditExport, Checkpoint, ExportStatus, Outcome
from apps.audit.seal import checkpoints, sealer
from apps.audit.timeline.sources import Filters
from apps.audit.vocabulary import require_known
from apps.base.actor import Actor, ActorKind
from apps.base.errors import Conflict
from apps.base.identifiers import ORDERED_UUIDS
from apps.base.permissions import Permission
from apps.base.text.redaction import is_secret, redact_and_truncate, sanitize_json
from apps.orgs.lookups import platform_pk

MAX_VALUE_LENGTH = 2000
MAX_UNFINISHED = 3
CHECKPOINT_MADE = "audit.checkpoint_made"


def record(
    *,
    actor: Actor,
    action: str,
    target_kind: str,
    target_id: str,
    target_label: str = "",
    changes: dict[str, list[Any]] | None = None,
    outcome: str = Outcome.SUCCESS,
    organization_id: uuid.UUID | None = None,
) -> AuditEntry:
    """Create one entry in the open transaction of the change.

    A trigger queues the entry (``migrations/_append_only.py``), and after the commit the periodic job
    ``audit.seal_entries`` assigns its sequence number and hash (``audit/seal/sealer.py``).

    ``changes`` maps a field to ``[old, new]``. ``organization_id`` defaults to the actor's. Raises ValueError for an
    unknown action or outcome, a field that looks like a secret, or no organization; RuntimeError outside a transaction.
    """
    if not connection.in_atomic_block:
        raise RuntimeError(f"{action} must be recorded in the transaction of its change")
    require_known(action)
    owner = organization_id or actor.organization_id
    if owner is None:
        raise ValueError(f"{action}: name the organization, for the actor has none")
    now = timezone.now()
    return AuditEntry.objects.create(
        id=ORDERED_UUIDS.at(now),
        at=now,
        organization_id=owner,
        actor_kind=actor.kind,
        actor_id=redact_and_truncate(actor.id, 40),
        actor_label=redact_and_truncate(actor.label, 200),
        action=action,
        target_kind=redact_and_truncate(target_kind, 30),
        target_id=redact_and_truncate(target_id, 40),
        target_label=redact_and_truncate(target_label, 200),
        changes=_recordable(changes or {}),
        outcome=Outcome(outcome),
        address=redact_and_truncate(actor.address, 45),
        user_agent=redact_and_truncate(actor.user_agent, 300),
        request_id=redact_and_truncate(actor.request_id, 64),
    )


def record_change(actor: Actor, action: str, row: Any, changes: dict[str, list[Any]] | None = None) -> None:
    """Record a change to a row in its organization's log, or in the vendor's if the row has no organization.

    The target's kind is the first word of the action and its label the row's text, unless the model has an
    ``audit_kind`` or an ``audit_label``.
    """
    record(
        actor=actor,
        action=action,
        target_kind=getattr(row, "audit_kind", "") or action.partition(".")[0],
        target_id=str(getattr(row, "public_id", row.pk)),
        target_label=getattr(row, "audit_label", "") or str(row),
        changes=changes,
        organization_id=getattr(row, "organization_id", None) or platform_pk(),
    )


@transaction.atomic
def make_checkpoint(*, actor: Actor) -> Checkpoint:
    """Sign and record the current end of the actor's audit log; requires the permission to export.

    If only the creation of the newest checkpoint was recorded since, that checkpoint is returned. Raises Conflict if
    nothing is sealed yet.
    """
    actor.require(Permission.AUDIT_EXPORT)
    owner = actor.organization_id
    if owner is None:
        raise ValueError("name the organization: the actor has none")
    sealer.seal_due()
    last = checkpoints.newest(owner)
    if last is not None and not checkpoints.is_behind(last, ignored_action=CHECKPOINT_MADE):
        return last
    checkpoint = checkpoints.create(owner)
    if checkpoint is None:
        raise Conflict(_("There is nothing to sign yet: nothing has happened in this organization."))
    record(actor=actor, action=CHECKPOINT_MADE, target_kind="checkpoint", target_id=str(checkpoint.seq))
    return checkpoint


def _recordable(changes: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """Return the changes as JSON values with secrets redacted. Raises ValueError for a field that is a secret."""
    for field, pair in changes.items():
        if is_secret(field):
            raise ValueError(f"{field!r} must not be recorded")
        if not isinstance(pair, (list, tuple)) or len(pair) != 2:
            raise ValueError(f"{field!r} must be [old, new]")
    recorded: dict[str, list[Any]] = sanitize_json(
        json.loads(json.dumps(changes, cls=DjangoJSONEncoder)), MAX_VALUE_LENGTH
    )
    return recorded


def require_export(actor: Actor) -> None:
    """Raise Forbidden unless the actor can export: a key needs the read scope, a member the export permission."""
    is_key = actor.kind in (ActorKind.API_KEY, ActorKind.SDK_KEY)
    actor.require(Permission.AUDIT_READ if is_key else Permission.AUDIT_EXPORT)


def export_log(*, actor: Actor, filters: Filters, file_format: str) -> Iterator[str]:
    """Record an export and return its lines, which are read from the database while they are sent."""
    require_export(actor)
    # Before the transaction, which blocks other writers on SQLite.
    spans = reader.remaining_spans(actor, filters)
    with transaction.atomic():
        _record_export(actor, "audit.exported", "", _export_changes(filters, file_format))
    return reader.stream(actor, filters, file_format, spans, actor.request_id)


@transaction.atomic
def start_export(*, actor: Actor, filters: Filters, file_format: str) -> AuditExport:
    """Create an export that workers write. Raises Conflict at MAX_UNFINISHED exports of the organization."""
    require_export(actor)
    if AuditExport.objects.for_actor(actor).unfinished().count() >= MAX_UNFINISHED:
        message = _("%(most)s exports are under way. Wait for one, or stop one.")
        raise Conflict(message % {"most": MAX_UNFINISHED})
    job: AuditExport = AuditExport.objects.create(
        organization_id=cast(uuid.UUID, actor.organization_id),
        file_format=file_format,
        filters=reader.stored_filters(filters),
        created_at=timezone.now(),
        created_by_id=actor.id,
        created_by_label=actor.label,
    )
    _record_export(actor, "audit.exported", job.public_id, _export_changes(filters, file_format))
    return job


@transaction.atomic
def cancel_export(*, actor: Actor, export_id: str) -> AuditExport:
    """Cancel an export before its next piece and discard its file. Raises Conflict if it has finished."""
    require_export(actor)
    job = _locked_export(actor, export_id)
    if job.status not in (ExportStatus.ESTIMATING, ExportStatus.RUNNING, ExportStatus.CANCELLED):
        raise Conflict(_("The export has ended already."))
    if job.status != ExportStatus.CANCELLED:
        changes: dict[str, list[Any]] = {"status": [job.status, "cancelled"], "rows": [None, job.written]}
        job.status, job.finished_at = ExportStatus.CANCELLED, timezone.now()
        job.save(update_fields=["status", "finished_at"])
        _record_export(actor, "audit.export_cancelled", job.public_id, changes)
    return job


@transaction.atomic
def download_export(*, actor: Actor, export_id: str) -> tuple[AuditExport, Iterator[bytes]]:
    """Record a download and return the export and its file in pieces. Raises Conflict if there is no file."""
    require_export(actor)
    job = _locked_export(actor, export_id)
    if job.status != ExportStatus.DONE or (job.expires_at and job.expires_at <= timezone.now()):
        raise Conflict(_("There is no file of this export. Start a new one."))
    changes: dict[str, list[Any]] = {"format": [None, job.file_format], "rows": [None, job.written]}
    _record_export(actor, "audit.export_downloaded", job.public_id, changes)
    return job, file_chunks(job)


def _locked_export(actor: Actor, export_id: str) -> AuditExport:
    job: AuditExport = AuditExport.objects.for_actor(actor).select_for_update().with_public_id(export_id)
    return job


def _export_changes(filters: Filters, file_format: str) -> dict[str, list[Any]]:
    """Return format and filters as changes. ``key`` is an id, not a secret, so it is recorded as ``key_id``."""
    values = {"format": file_format, **reader.stored_filters(filters)}
    return {"key_id" if name == "key" else name: [None, value] for name, value in values.items()}


def _record_export(actor: Actor, action: str, public_id: str, changes: dict[str, list[Any]]) -> None:
    record(
        actor=actor,
        action=action,
        target_kind="export" if public_id else "audit_log",
        target_id=public_id,
        changes=changes,
    )

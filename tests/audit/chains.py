"""Make a sealed audit log, export it, and change rows as an owner of the database could."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection

from apps.audit.migrations import _append_only as append_only
from apps.audit.models import AuditEntry, Seal
from apps.audit.seal import sealer
from apps.audit.seal.chain import canonical, link_hash
from apps.audit.seal.chain_rows import columns, database_id, to_link
from apps.audit.timeline.serialization import write_row
from apps.audit.timeline.sources import EntityRef, Row
from apps.audit.vocabulary import sentence_for
from apps.orgs.models import Organization
from tests.audit.conftest import change, person


def sealed_log(organization: Organization, count: int = 12, **values: Any) -> list[AuditEntry]:
    actor = person(organization, "Ada “é” 𝄞")
    for number in range(count):
        changed = {"name": [None, f"Käse {number}"], "scopes": [["b", "a"], None], "n": [1, 2.5], "é": [True, None]}
        change(actor, target_id=f"key_{number}", target_label=f"Key\t{number}", changes=changed, **values)
    sealer.seal_due()
    return [seal.entry for seal in seals_of(organization)]


def seals_of(organization: Organization) -> list[Seal]:
    return list(Seal.objects.filter(organization=organization).select_related("entry").order_by("seq"))


@contextmanager
def owner_of_the_database() -> Iterator[Any]:
    """Somebody whom no trigger stands in the way of. What he leaves dangling he must mend before the end."""
    # PostgreSQL changes no table that a deferred check still waits for.
    connection.check_constraints()
    append_only.remove(connection)
    try:
        with connection.cursor() as cursor:
            yield cursor
    finally:
        connection.check_constraints()
        append_only.install(connection)


def falsify(statement: str, *values: Any) -> None:
    """One statement of somebody whom no trigger stops."""
    with owner_of_the_database() as cursor:
        cursor.execute(statement, values)
        assert cursor.rowcount


def stored(value: Any) -> Any:
    return database_id(connection, value)


def seal_anew(organization: Organization, start: int) -> None:
    """Write the hashes from a number on anew, as they would follow from what the entries say now."""
    seals = {seal.seq: seal for seal in seals_of(organization)}
    previous = seals[start - 1].hash
    for seq in range(start, len(seals) + 1):
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT {columns(connection)} FROM audit_auditentry e WHERE e.id = %s", [stored(seals[seq].entry_id)]
            )
            previous = link_hash(previous, canonical(seq, to_link(cursor.fetchone())))
            cursor.execute(
                "UPDATE audit_seal SET hash = %s WHERE entry_id = %s", [previous, stored(seals[seq].entry_id)]
            )


def export_lines(organization: Organization) -> list[dict[str, Any]]:
    """The log's changes as the export writes them, by their numbers."""
    return [json.loads(json.dumps(write_row(row_of(seal)), ensure_ascii=False)) for seal in seals_of(organization)]


def row_of(seal: Seal) -> Row:
    entry = seal.entry
    return Row(
        key=entry.pk, category="change", at=entry.at, action=entry.action, sentence=sentence_for(entry),
        actor=EntityRef(entry.actor_kind, entry.actor_id, entry.actor_label), outcome=entry.outcome,
        target=EntityRef(entry.target_kind, entry.target_id, entry.target_label), changes=entry.changes,
        address=entry.address, user_agent=entry.user_agent, request_id=entry.request_id, seq=seal.seq, hash=seal.hash,
    )  # fmt: skip


def write_lines(path: Path, lines: list[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
    return str(path)


def verify(*arguments: str) -> tuple[str, str]:
    """What ``verify_audit`` prints, and the sentence it fails with."""
    out = Out()
    try:
        call_command("verify_audit", *arguments, stdout=out)
    except CommandError as error:
        assert error.returncode == 1
        return out.text, str(error)
    return out.text, ""


class Out:
    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str) -> None:
        self.text += text

"""Triggers that keep the audit log as it was written, on both databases, and that queue each entry for its seal.

Entries, seals, checkpoints and cuts take no UPDATE. They take no DELETE either, but below a cut of retention
(``Cut``), which stands at a checkpoint: there entries and seals may go. PostgreSQL also refuses TRUNCATE; SQLite also
refuses an INSERT over an existing key, for there ``INSERT OR REPLACE`` deletes without firing the DELETE trigger. A
superuser of the database can still drop a trigger: that is what the hash chain and checkpoints outside are for.
"""

from typing import NamedTuple

from django.db.backends.base.base import BaseDatabaseWrapper

MESSAGE = "audit entries are append-only"
ENTRIES, QUEUE = "audit_auditentry", "audit_unsealed"
ADD_TO_QUEUE = f"INSERT INTO {QUEUE} (entry_id) VALUES (NEW.id);"  # noqa: S608


class Table(NamedTuple):
    """An append-only table: its unique keys, and the condition under which a row (OLD) may be deleted."""

    name: str
    unique: tuple[tuple[str, ...], ...]
    may_go: str = "false"


TABLES = (
    Table(
        ENTRIES,
        (("id",),),
        "EXISTS (SELECT 1 FROM audit_seal s JOIN audit_cut c ON c.organization_id = s.organization_id"
        " AND c.seq >= s.seq WHERE s.entry_id = OLD.id)",
    ),
    Table(
        "audit_seal",
        (("entry_id",), ("organization_id", "seq")),
        "EXISTS (SELECT 1 FROM audit_cut c WHERE c.organization_id = OLD.organization_id AND c.seq >= OLD.seq)",
    ),
    Table("audit_checkpoint", (("id",), ("organization_id", "seq", "key_id"))),
    Table("audit_cut", (("checkpoint_id",), ("organization_id", "seq"))),
)
# What a cut must stand at. The database cannot judge the signature; ``verify_audit`` does.
AT_A_CHECKPOINT = (
    "EXISTS (SELECT 1 FROM audit_checkpoint p WHERE p.id = NEW.checkpoint_id"
    " AND p.organization_id = NEW.organization_id AND p.seq = NEW.seq)"
)


def install(connection: BaseDatabaseWrapper) -> None:
    """Put the triggers on every append-only table that there is; again where they stand already."""
    remove(connection)
    there = connection.introspection.table_names()
    with connection.cursor() as cursor:
        for statement in _statements(connection.vendor, there):
            cursor.execute(statement)


def remove(connection: BaseDatabaseWrapper) -> None:
    """Take the triggers away: for tests, around emptying their own tables, and nothing else."""
    postgresql, there = connection.vendor == "postgresql", connection.introspection.table_names()
    with connection.cursor() as cursor:
        for table in (table.name for table in TABLES if table.name in there):
            for event in ("update", "delete", "truncate", "replace", "insert"):
                cursor.execute(f"DROP TRIGGER IF EXISTS {table}_no_{event}{f' ON {table}' if postgresql else ''}")
        if ENTRIES in there:
            cursor.execute(f"DROP TRIGGER IF EXISTS {ENTRIES}_queue{f' ON {ENTRIES}' if postgresql else ''}")


def _statements(vendor: str, there: list[str]) -> list[str]:
    make = _postgresql if vendor == "postgresql" else _sqlite
    complete = all(table.name in there for table in TABLES)
    # The first migrations know the entries alone: nothing may go, and nothing is queued.
    tables = [table if complete else table._replace(may_go="false") for table in TABLES if table.name in there]
    return [statement for table in tables for statement in make(table, QUEUE in there)]


def _postgresql(table: Table, has_queue: bool) -> list[str]:
    refuse = f"RAISE EXCEPTION '{MESSAGE}' USING ERRCODE = 'restrict_violation';"
    function = f"portal_{table.name}_append_only"
    statements = [
        # One function for three events; a DELETE below a cut is the one thing that it lets through.
        f"CREATE OR REPLACE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        f" IF TG_OP = 'DELETE' THEN IF {table.may_go} THEN RETURN OLD; END IF; END IF; {refuse} END $$",
        *(
            f"CREATE TRIGGER {table.name}_no_{event} BEFORE {event.upper()} ON {table.name} "
            f"FOR EACH {'STATEMENT' if event == 'truncate' else 'ROW'} EXECUTE FUNCTION {function}()"
            for event in ("update", "delete", "truncate")
        ),
    ]
    if table.name == "audit_cut":
        statements += [
            "CREATE OR REPLACE FUNCTION portal_cut_at_a_checkpoint() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            f" IF {AT_A_CHECKPOINT} THEN RETURN NEW; END IF; {refuse} END $$",
            "CREATE TRIGGER audit_cut_no_insert BEFORE INSERT ON audit_cut"
            " FOR EACH ROW EXECUTE FUNCTION portal_cut_at_a_checkpoint()",
        ]
    if table.name == ENTRIES and has_queue:
        statements += [
            "CREATE OR REPLACE FUNCTION portal_queue_for_sealing() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            f" {ADD_TO_QUEUE} RETURN NULL; END $$",
            f"CREATE TRIGGER {ENTRIES}_queue AFTER INSERT ON {ENTRIES}"
            " FOR EACH ROW EXECUTE FUNCTION portal_queue_for_sealing()",
        ]
    return statements


def _sqlite(table: Table, has_queue: bool) -> list[str]:
    refuse, name = f"SELECT RAISE(ABORT, '{MESSAGE}');", table.name
    taken = " OR ".join(
        f"EXISTS (SELECT 1 FROM {name} WHERE {' AND '.join(f'{column} = NEW.{column}' for column in columns)})"  # noqa: S608
        for columns in table.unique
    )
    statements = [
        f"CREATE TRIGGER {name}_no_update BEFORE UPDATE ON {name} BEGIN {refuse} END",
        f"CREATE TRIGGER {name}_no_delete BEFORE DELETE ON {name} WHEN NOT ({table.may_go}) BEGIN {refuse} END",
        f"CREATE TRIGGER {name}_no_replace BEFORE INSERT ON {name} WHEN {taken} BEGIN {refuse} END",
    ]
    if name == "audit_cut":
        guard = f"CREATE TRIGGER {name}_no_insert BEFORE INSERT ON {name} WHEN NOT {AT_A_CHECKPOINT} BEGIN {refuse} END"
        statements.append(guard)
    if name == ENTRIES and has_queue:
        statements.append(f"CREATE TRIGGER {ENTRIES}_queue AFTER INSERT ON {ENTRIES} BEGIN {ADD_TO_QUEUE} END")
    return statements

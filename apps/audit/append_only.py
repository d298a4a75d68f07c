"""Triggers that keep audit entries as they were written, on both databases.

PostgreSQL: UPDATE, DELETE and TRUNCATE. SQLite: UPDATE, DELETE, and INSERT over an existing key, for there
``INSERT OR REPLACE`` deletes without firing the DELETE trigger. A superuser of the database can still drop a trigger:
that is what the hash chain and checkpoints outside are for.
"""

from django.db.backends.base.base import BaseDatabaseWrapper

TABLES = ("audit_auditentry",)
MESSAGE = "audit entries are append-only"

POSTGRESQL_FUNCTION = f"""
CREATE OR REPLACE FUNCTION portal_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '{MESSAGE}' USING ERRCODE = 'restrict_violation';
END $$
"""


def install(connection: BaseDatabaseWrapper) -> None:
    """This will put the triggers on every append-only table."""
    with connection.cursor() as cursor:
        for statement in _statements(connection.vendor):
            cursor.execute(statement)


def remove(connection: BaseDatabaseWrapper) -> None:
    """This will take the triggers away: for tests, around emptying their own tables, and nothing else."""
    with connection.cursor() as cursor:
        for table in TABLES:
            for event in _events(connection.vendor):
                on_table = f" ON {table}" if connection.vendor == "postgresql" else ""
                cursor.execute(f"DROP TRIGGER IF EXISTS {table}_no_{event}{on_table}")


def _events(vendor: str) -> tuple[str, ...]:
    return ("update", "delete", "truncate") if vendor == "postgresql" else ("update", "delete", "replace")


def _statements(vendor: str) -> list[str]:
    if vendor == "postgresql":
        return [POSTGRESQL_FUNCTION, *(statement for table in TABLES for statement in _postgresql(table))]
    return [statement for table in TABLES for statement in _sqlite(table)]


def _postgresql(table: str) -> list[str]:
    return [
        f"CREATE OR REPLACE TRIGGER {table}_no_{event} BEFORE {event.upper()} ON {table} "
        f"FOR EACH {'STATEMENT' if event == 'truncate' else 'ROW'} EXECUTE FUNCTION portal_append_only()"
        for event in _events("postgresql")
    ]


def _sqlite(table: str) -> list[str]:
    refuse = f"SELECT RAISE(ABORT, '{MESSAGE}');"
    return [
        f"CREATE TRIGGER IF NOT EXISTS {table}_no_update BEFORE UPDATE ON {table} BEGIN {refuse} END",
        f"CREATE TRIGGER IF NOT EXISTS {table}_no_delete BEFORE DELETE ON {table} BEGIN {refuse} END",
        f"CREATE TRIGGER IF NOT EXISTS {table}_no_replace BEFORE INSERT ON {table} "  # noqa: S608
        f"WHEN EXISTS (SELECT 1 FROM {table} WHERE id = NEW.id) BEGIN {refuse} END",
    ]

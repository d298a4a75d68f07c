"""Migration operations without downtime: no statement locks a table for as long as it takes to read it.

Django's own operations lock it: creating an index, a unique or a check constraint blocks all writes until the whole
table was read. On PostgreSQL these run online, and a new column keeps its default in the database, so that processes
of the previous version can go on inserting rows. On SQLite they are Django's. A migration with one of them sets
``atomic = False``; each can be run again after an interruption at any point, and then does what is missing.
"""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import migrations, models, transaction
from django.db.models import QuerySet

BATCH = 1000
MAX_NAME_LENGTH = 63


class AddIndex(migrations.AddIndex):
    """Create an index without blocking writes."""

    def database_forwards(self, app_label: str, editor: Any, from_state: Any, to_state: Any) -> None:
        """Create the index where it is missing."""
        model = to_state.apps.get_model(app_label, self.model_name)
        if editor.connection.vendor == "postgresql":
            _create_index(editor, self.index.name, self.index.create_sql(model, editor, concurrently=True))
        elif self.index.name not in _constraints(editor, model):
            editor.add_index(model, self.index)

    def database_backwards(self, app_label: str, editor: Any, from_state: Any, to_state: Any) -> None:
        """Drop the index where it exists."""
        _drop_index(editor, from_state.apps.get_model(app_label, self.model_name), self.index)


class RemoveIndex(migrations.RemoveIndex):
    """Drop an index without blocking writes."""

    def database_forwards(self, app_label: str, editor: Any, from_state: Any, to_state: Any) -> None:
        """Drop the index where it exists."""
        index = from_state.models[app_label, self.model_name_lower].get_index_by_name(self.name)
        _drop_index(editor, from_state.apps.get_model(app_label, self.model_name), index)

    def database_backwards(self, app_label: str, editor: Any, from_state: Any, to_state: Any) -> None:
        """Create the index again."""
        index = to_state.models[app_label, self.model_name_lower].get_index_by_name(self.name)
        AddIndex(self.model_name, index).database_forwards(app_label, editor, from_state, to_state)


class AddConstraint(migrations.AddConstraint):
    """Add a unique or a check constraint without blocking writes: first the index or NOT VALID, then validated."""

    def database_forwards(self, app_label: str, editor: Any, from_state: Any, to_state: Any) -> None:
        """Add the constraint where it is missing."""
        model = to_state.apps.get_model(app_label, self.model_name)
        if editor.connection.vendor != "postgresql":
            if self.constraint.name not in _constraints(editor, model):
                with transaction.atomic(editor.connection.alias):
                    super().database_forwards(app_label, editor, from_state, to_state)
        elif isinstance(self.constraint, models.UniqueConstraint):
            _add_unique(editor, model, self.constraint)
        else:
            _add_check(editor, model, self.constraint.name, self.constraint._get_check_sql(model, editor))  # type: ignore[attr-defined]  # a CheckConstraint has it


class RemoveConstraint(migrations.RemoveConstraint):
    """Remove a constraint, which is quick; unlike Django's operation it can be run twice."""

    def database_forwards(self, app_label: str, editor: Any, from_state: Any, to_state: Any) -> None:
        """Remove the constraint where it exists."""
        if self.name in _constraints(editor, from_state.apps.get_model(app_label, self.model_name)):
            with transaction.atomic(editor.connection.alias):
                super().database_forwards(app_label, editor, from_state, to_state)


class AddField(migrations.AddField):
    """Add a column whose default stays in the database; create its index and check without blocking writes."""

    def database_forwards(self, app_label: str, editor: Any, from_state: Any, to_state: Any) -> None:
        """Add the column, its check and its index, each where it is missing."""
        model = to_state.apps.get_model(app_label, self.model_name)
        field = model._meta.get_field(self.name)
        if field.column not in _columns(editor, model):
            with transaction.atomic(editor.connection.alias):
                editor.add_field(from_state.apps.get_model(app_label, self.model_name), self._bare(editor, field))
        check = field.db_parameters(editor.connection)["check"]
        if check and editor.connection.vendor == "postgresql":
            # The name that PostgreSQL gives to a check of a column.
            _add_check(editor, model, f"{model._meta.db_table}_{field.column}_check"[:MAX_NAME_LENGTH], check)
        _create_field_indexes(editor, model, field)

    def _bare(self, editor: Any, field: Any) -> Any:
        """Return the column without index and check, which would read the table, and with a database default."""
        bare = copy.copy(field)
        bare.db_index = False
        if editor.connection.vendor == "postgresql":
            bare.db_check = lambda connection: None
        if not field.null and not field.has_db_default():
            bare.__dict__.pop("_db_default_expression", None)
            bare.db_default = models.Value(self.field.get_default(), field)
        return bare


class AlterField(migrations.AlterField):
    """Change a column that gets an index, which is created without blocking writes after the other changes."""

    def database_forwards(self, app_label: str, editor: Any, from_state: Any, to_state: Any) -> None:
        """Change the column, then create its index where it is missing."""
        old_model, model = (state.apps.get_model(app_label, self.model_name) for state in (from_state, to_state))
        field = model._meta.get_field(self.name)
        bare = copy.copy(field)
        bare.db_index = False
        with transaction.atomic(editor.connection.alias):
            editor.alter_field(old_model, old_model._meta.get_field(self.name), bare)
        _create_field_indexes(editor, model, field)


class CreateModel(migrations.CreateModel):
    """Create a table in a separate transaction, for a migration that also has one of the above."""

    def database_forwards(self, app_label: str, editor: Any, from_state: Any, to_state: Any) -> None:
        """Create the table, with its keys and indexes, where it is missing."""
        model = to_state.apps.get_model(app_label, self.name)
        if model._meta.db_table in editor.connection.introspection.table_names():
            return
        with transaction.atomic(editor.connection.alias):
            super().database_forwards(app_label, editor, from_state, to_state)
            while editor.deferred_sql:
                editor.execute(editor.deferred_sql.pop(0))


def in_batches(rows: QuerySet[Any], size: int = BATCH) -> Iterator[QuerySet[Any]]:
    """Yield the rows in batches of ``size``, in the order of their keys, each in a separate transaction."""
    keys, last = rows.order_by("pk").values_list("pk", flat=True), None
    while batch := list((keys if last is None else keys.filter(pk__gt=last))[:size]):
        with transaction.atomic(rows.db):
            yield rows.filter(pk__in=batch)
        last = batch[-1]


def concurrently(editor: Any, statement: Any) -> None:
    """Execute CREATE or DROP INDEX CONCURRENTLY without a lock timeout: no query queues behind it while it waits."""
    with editor.connection.cursor() as cursor, _no_lock_timeout(cursor):
        editor.execute(statement, params=None)


@contextmanager
def _no_lock_timeout(cursor: Any) -> Iterator[None]:
    cursor.execute("SELECT current_setting('lock_timeout'), set_config('lock_timeout', '0', false)")
    before = cursor.fetchone()[0]
    try:
        yield
    finally:
        cursor.execute("SELECT set_config('lock_timeout', %s, false)", [before])


def _create_index(editor: Any, name: str, statement: Any) -> None:
    """Create an index; drop an invalid one of the same name first, which an interrupted run has left."""
    with editor.connection.cursor() as cursor:
        cursor.execute("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%s)", [editor.quote_name(name)])
        found = cursor.fetchone()
    if found and found[0]:
        return
    if found:
        concurrently(editor, f"DROP INDEX CONCURRENTLY {editor.quote_name(name)}")
    concurrently(editor, statement)


def _drop_index(editor: Any, model: Any, index: Any) -> None:
    if editor.connection.vendor == "postgresql":
        concurrently(editor, index.remove_sql(model, editor, concurrently=True))
    elif index.name in _constraints(editor, model):
        editor.remove_index(model, index)


def _create_field_indexes(editor: Any, model: Any, field: Any) -> None:
    for statement in editor._field_indexes_sql(model, field):
        name = str(statement.parts["name"]).strip('"')
        if editor.connection.vendor == "postgresql":
            _create_index(editor, name, str(statement).replace("CREATE INDEX", "CREATE INDEX CONCURRENTLY", 1))
        elif name not in _constraints(editor, model):
            editor.execute(statement)


def _add_unique(editor: Any, model: Any, constraint: models.UniqueConstraint) -> None:
    table, name = editor.quote_name(model._meta.db_table), editor.quote_name(constraint.name)
    statement = str(constraint.create_sql(model, editor))
    if statement.startswith("CREATE UNIQUE INDEX"):
        _create_index(editor, constraint.name, statement.replace("INDEX", "INDEX CONCURRENTLY", 1))
    elif constraint.name not in _table_constraints(editor, model):
        columns = ", ".join(editor.quote_name(model._meta.get_field(each).column) for each in constraint.fields)
        _create_index(editor, constraint.name, f"CREATE UNIQUE INDEX CONCURRENTLY {name} ON {table} ({columns})")
        editor.execute(f"ALTER TABLE {table} ADD CONSTRAINT {name} UNIQUE USING INDEX {name}")


def _add_check(editor: Any, model: Any, name: str, check: str) -> None:
    table, quoted = editor.quote_name(model._meta.db_table), editor.quote_name(name)
    if name not in _table_constraints(editor, model):
        editor.execute(f"ALTER TABLE {table} ADD CONSTRAINT {quoted} CHECK ({check}) NOT VALID", params=None)
    editor.execute(f"ALTER TABLE {table} VALIDATE CONSTRAINT {quoted}")


def _table_constraints(editor: Any, model: Any) -> set[str]:
    with editor.connection.cursor() as cursor:
        cursor.execute(
            "SELECT conname FROM pg_constraint WHERE conrelid = to_regclass(%s)",
            [editor.quote_name(model._meta.db_table)],
        )
        return {name for (name,) in cursor.fetchall()}


def _constraints(editor: Any, model: Any) -> dict[str, Any]:
    """Return the constraints and indexes of a table by name."""
    with editor.connection.cursor() as cursor:
        found: dict[str, Any] = editor.connection.introspection.get_constraints(cursor, model._meta.db_table)
    return found


def _columns(editor: Any, model: Any) -> set[str]:
    with editor.connection.cursor() as cursor:
        described = editor.connection.introspection.get_table_description(cursor, model._meta.db_table)
    return {column.name for column in described}

"""What a migration may do to a table that exists, read from its operations without a database.

For each operation a sentence where it would make PostgreSQL hold a lock while it reads a table, where it could not be
run again after it was broken off, or where processes of the version before could not go on working on the new schema.
"""

import re
from collections.abc import Iterator
from typing import Any

from django.db import migrations, models
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState
from django.db.models.functions import Now
from django.db.utils import ConnectionHandler

from apps.base import schema_changes
from tests.conventions.tree import read

POSTGRESQL = ConnectionHandler({"default": {"ENGINE": "django.db.backends.postgresql", "NAME": "nowhere"}})["default"]
OURS = (
    schema_changes.AddField, schema_changes.AlterField, schema_changes.AddIndex, schema_changes.RemoveIndex,
    schema_changes.AddConstraint, schema_changes.RemoveConstraint, schema_changes.CreateModel,
)  # fmt: skip
# Django's, of which schema_changes has a form that locks nobody out.
SLOW = (migrations.AddIndex, migrations.RemoveIndex, migrations.AddConstraint)
QUICK = (migrations.CreateModel, migrations.RemoveConstraint, migrations.RenameIndex)
WORDS = (migrations.AlterModelOptions, migrations.AlterModelManagers)
ENDS = (migrations.RemoveField, migrations.DeleteModel)


def faults(migration: migrations.Migration, state: ProjectState) -> Iterator[str]:
    """Say what is wrong with each operation, and bring the state to what it is after the migration."""
    made: set[str] = set()
    for operation in migration.operations:
        parts = getattr(operation, "database_operations", [operation])
        for part in parts:
            for fault in _faults_of(part, migration, made, state):
                yield f"{migration.app_label}.{migration.name}: {part.describe()}: {fault}"
        if isinstance(operation, migrations.CreateModel):
            made.add(operation.name_lower)
        operation.state_forwards(migration.app_label, state)


def _faults_of(part: Operation, migration: migrations.Migration, made: set[str], state: ProjectState) -> Iterator[str]:
    if isinstance(part, WORDS):
        return
    old = _old_field(part, migration, state)
    if isinstance(part, migrations.AlterField) and old is not None and not _changes_column(old, part.field):
        return
    yield from _about_transactions(part, migration.atomic)
    if getattr(part, "model_name_lower", "") in made:
        if isinstance(part, migrations.AddField) and part.field.is_relation:
            yield "locks the other table until the migration ends: name the key where the table is made"
        return
    if isinstance(part, migrations.AddField):
        yield from _about_new_field(part)
    elif isinstance(part, migrations.AlterField) and old is not None:
        yield from _about_changed_field(part, old)
    elif isinstance(part, SLOW) and not isinstance(part, OURS):
        yield f"locks the table: use schema_changes.{type(part).__name__}"
    elif isinstance(part, ENDS):
        yield from _about_what_ends(migration)
    elif not isinstance(part, (*OURS, *QUICK, migrations.RunPython)):
        yield "is not known to be quick, or not to be missed by the version before"


def _old_field(part: Operation, migration: migrations.Migration, state: ProjectState) -> Any:
    if not isinstance(part, migrations.AlterField):
        return None
    return state.models[migration.app_label, part.model_name_lower].get_field(part.name)


def _about_transactions(part: Operation, atomic: bool) -> Iterator[str]:
    if atomic and isinstance(part, OURS):
        yield "works outside of transactions: atomic = False"
    if atomic and isinstance(part, migrations.RunPython):
        yield "changes rows in batches, each its own transaction (schema_changes.in_batches): atomic = False"
    if not atomic and not isinstance(part, (*OURS, migrations.RunPython)):
        yield "cannot be run again after it was broken off, as atomic = False asks for: move it, or use schema_changes"


def _about_new_field(part: migrations.AddField) -> Iterator[str]:
    field = part.field
    if field.unique:
        yield "reads the table under a lock: add the column, then the constraint"
    if field.has_db_default() and not isinstance(field.db_default, (str, int, float, bool, models.Value, Now)):
        yield "rewrites the table if the default is another in each row: fill it in batches"
    if isinstance(part, OURS):
        has_default = field.has_default() and (not callable(field.default) or field.default in (dict, list))
        if not (field.null or field.has_db_default() or has_default):
            yield "needs null=True, or a default that is the same in every row"
        return
    if not (field.null or field.has_db_default()):
        yield "the version before cannot insert rows: db_default, null=True or schema_changes.AddField"
    if field.db_index or _check(field):
        yield "its index or its check reads the table under a lock: use schema_changes.AddField"


def _about_changed_field(part: migrations.AlterField, old: Any) -> Iterator[str]:
    new = part.field
    if old.null and not new.null:
        yield "reads the table under a lock: add a check constraint instead"
    if new.unique and not old.unique:
        yield "reads the table under a lock: use schema_changes.AddConstraint"
    if _has_index(new) and not _has_index(old) and not isinstance(part, OURS):
        yield "makes an index under a lock: use schema_changes.AlterField"
    if not _is_same_or_longer(old, new):
        yield "rewrites or reads the table under a lock: add another column"


def _about_what_ends(migration: migrations.Migration) -> Iterator[str]:
    since = getattr(migration, "unused_since", "")
    if not (since and re.search(rf"^## \[{re.escape(since)}\]", read("CHANGELOG.md"), re.MULTILINE)):
        yield "the version before still asks for it: unused_since names the released version that no longer does"


def _changes_column(old: Any, new: Any) -> bool:
    return (_column(old), _has_index(old)) != (_column(new), _has_index(new))


def _column(field: Any) -> tuple[Any, ...]:
    if field.is_relation:
        return (str(field.remote_field.model), field.null, field.unique, field.db_constraint)
    return (field.db_type(POSTGRESQL), _check(field), field.null, field.unique)


def _check(field: Any) -> Any:
    return POSTGRESQL.data_type_check_constraints.get(field.get_internal_type())


def _has_index(field: Any) -> bool:
    return bool(field.db_index and not field.unique)


def _is_same_or_longer(old: Any, new: Any) -> bool:
    if old.is_relation or new.is_relation:
        return _column(old)[0] == _column(new)[0] and not (new.db_constraint and not old.db_constraint)
    if _check(new) and _check(new) != _check(old):
        return False
    before, after = (each.db_type(POSTGRESQL) for each in (old, new))
    lengths = [re.fullmatch(r"varchar\((\d+)\)", each or "") for each in (before, after)]
    grows = all(lengths) and int(lengths[0][1]) <= int(lengths[1][1])  # type: ignore[index]
    return bool(before == after or grows or (lengths[0] and after == "text"))

"""Migrations say what the models say, lock nobody out, and each was named by somebody who thought about it."""

import ast
import re

import pytest
from django.apps import apps
from django.db import migrations, models
from django.db.migrations.autodetector import MigrationAutodetector
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.questioner import NonInteractiveMigrationQuestioner
from django.db.migrations.state import ProjectState

from apps.base import schema_changes
from tests.conventions.lock_rules import faults
from tests.conventions.tree import PACKAGES, ROOT, relative, tree_of

pytestmark = pytest.mark.pure

NAME = re.compile(r"\d{4}_[a-z][a-z0-9_]*")
# How Django names a migration by itself.
AUTOMATIC = re.compile(r"\d{4}_auto(_|$)|\d{4}_alter_|_and_more$")


# What a migration may call of ours: it must do in five years what it does today.
FROZEN = re.compile(r"apps\.base\.(identifiers|crypto|schema_changes)|apps\.\w+\.migrations(\._\w+)?")


def own_labels() -> set[str]:
    """Return the labels of the project's own apps."""
    return {app.label for app in apps.get_app_configs() if app.name.split(".")[0] in PACKAGES}


def test_no_model_waits_for_a_migration():
    loader = MigrationLoader(None)
    questioner = NonInteractiveMigrationQuestioner(specified_apps=own_labels(), dry_run=True)
    detector = MigrationAutodetector(loader.project_state(), ProjectState.from_apps(apps), questioner)
    waiting = detector.changes(graph=loader.graph, trim_to_apps=own_labels(), convert_apps=own_labels())
    assert {label: [str(each.operations) for each in found] for label, found in waiting.items()} == {}


def test_no_app_has_two_last_migrations():
    assert MigrationLoader(None).detect_conflicts() == {}


def test_every_migration_was_named_by_hand():
    files = [path for path in (ROOT / "apps").glob("*/migrations/*.py") if path.stem[0] != "_"]
    assert files
    bad = [relative(path) for path in files if not NAME.fullmatch(path.stem) or AUTOMATIC.search(path.stem)]
    assert bad == []


def test_no_migration_locks_people_out_or_the_version_before():
    loader = MigrationLoader(None)
    state, found = ProjectState(real_apps=loader.unmigrated_apps), []
    for node in loader.graph._generate_plan(loader.graph.leaf_nodes(), at_end=True):
        migration = loader.graph.nodes[node]
        if migration.app_label in own_labels():
            found += faults(migration, state)
        else:
            migration.mutate_state(state, preserve=False)
    assert found == []


CHAR, NOW = models.CharField(max_length=10, default=""), models.DateTimeField(default=lambda: None)
INDEX, UNIQUE = models.Index(fields=["name"], name="by_name"), models.UniqueConstraint(fields=["name"], name="one")


@pytest.mark.parametrize(
    ("operation", "atomic", "complaint"),
    [
        (migrations.AddIndex("thing", INDEX), True, "locks the table"),
        (migrations.AddConstraint("thing", UNIQUE), True, "locks the table"),
        (migrations.RemoveIndex("thing", "there"), True, "locks the table"),
        (schema_changes.AddIndex("thing", INDEX), True, "atomic = False"),
        (schema_changes.AddIndex("thing", INDEX), False, None),
        (migrations.AddField("thing", "more", models.TextField(null=True)), False, "cannot be run again"),
        (migrations.AddField("thing", "more", models.TextField(null=True)), True, None),
        (migrations.AddField("thing", "more", CHAR), True, "cannot insert rows"),
        (schema_changes.AddField("thing", "more", CHAR), False, None),
        (schema_changes.AddField("thing", "more", NOW), False, "same in every row"),
        (migrations.AddField("thing", "more", models.IntegerField(null=True, db_index=True)), True, "under a lock"),
        (migrations.AddField("thing", "more", models.PositiveIntegerField(null=True)), True, "under a lock"),
        (schema_changes.AddField("thing", "more", models.PositiveIntegerField(null=True)), False, None),
        (schema_changes.AddField("thing", "more", models.CharField(null=True, unique=True)), False, "under a lock"),
        (migrations.AlterField("thing", "name", models.CharField(max_length=21)), True, None),
        (migrations.AlterField("thing", "name", models.CharField(max_length=20, help_text="Its name.")), False, None),
        (migrations.AlterField("thing", "name", models.CharField(max_length=19)), True, "rewrites"),
        (migrations.AlterField("thing", "name", models.IntegerField()), True, "rewrites"),
        (migrations.AlterField("thing", "name", models.CharField(max_length=20, db_index=True)), True, "an index"),
        (migrations.AlterField("thing", "name", models.CharField(max_length=20, unique=True)), True, "under a lock"),
        (migrations.AlterField("thing", "loose", models.TextField()), True, "under a lock"),
        (migrations.RemoveField("thing", "loose"), True, "unused_since"),
        (migrations.DeleteModel("thing"), True, "unused_since"),
        (migrations.RenameField("thing", "name", "title"), True, "not known to be quick"),
        (migrations.RunSQL("UPDATE thing SET name = ''"), True, "not known to be quick"),
        (migrations.RunPython(migrations.RunPython.noop), True, "in batches"),
        (migrations.RunPython(migrations.RunPython.noop), False, None),
    ],
)
def test_the_rule_of_locks_complains_of(operation: migrations.AddField, atomic: bool, complaint: str | None):
    state = ProjectState()
    fields = [("id", models.AutoField(primary_key=True)), ("name", models.CharField(max_length=20))]
    there = {"indexes": [models.Index(fields=["name"], name="there")]}
    migrations.CreateModel("Thing", [*fields, ("loose", models.TextField(null=True))], there).state_forwards("x", state)
    migration = type("Migration", (migrations.Migration,), {"operations": [operation], "atomic": atomic})("0002_x", "x")
    found = list(faults(migration, state))
    assert len(found) == bool(complaint), found
    assert complaint is None or complaint in found[0]


def test_a_table_made_in_the_same_migration_may_get_anything():
    make = migrations.CreateModel("Thing", [("id", models.AutoField(primary_key=True)), ("name", models.TextField())])
    operations = [make, migrations.AddIndex("thing", INDEX), migrations.AddConstraint("thing", UNIQUE)]
    migration = type("Migration", (migrations.Migration,), {"operations": operations})("0002_x", "x")
    assert list(faults(migration, ProjectState())) == []


def test_migrations_call_nothing_that_changes():
    found = []
    for path in sorted((ROOT / "apps").glob("*/migrations/*.py")):
        for node in ast.walk(tree_of(path)):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if names == ["apps.base"]:
                names = [f"apps.base.{alias.name}" for alias in node.names]
            found += [f"{relative(path)}: {name}" for name in names if _is_ours(name) and not FROZEN.fullmatch(name)]
    assert found == []


def _is_ours(module: str) -> bool:
    return module.split(".")[0] in PACKAGES

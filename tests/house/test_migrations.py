"""Migrations say what the models say, and each was named by somebody who thought about it."""

import re

import pytest
from django.apps import apps
from django.db.migrations.autodetector import MigrationAutodetector
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.questioner import NonInteractiveMigrationQuestioner
from django.db.migrations.state import ProjectState

from tests.house.tree import PACKAGES, ROOT, relative

pytestmark = pytest.mark.pure

NAME = re.compile(r"\d{4}_[a-z][a-z0-9_]*")
# How Django names a migration by itself.
AUTOMATIC = re.compile(r"\d{4}_auto(_|$)|\d{4}_alter_|_and_more$")


def own_labels() -> set[str]:
    """This will return the labels of the project's own apps."""
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
    files = [path for path in (ROOT / "apps").glob("*/migrations/*.py") if path.stem != "__init__"]
    assert files
    bad = [relative(path) for path in files if not NAME.fullmatch(path.stem) or AUTOMATIC.search(path.stem)]
    assert bad == []

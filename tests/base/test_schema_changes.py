"""Migration operations without downtime: run twice, or again after an interruption, they have the same result."""

from typing import Any

import pytest
from django.db import DatabaseError, connection, migrations, models, transaction
from django.db.migrations.state import ProjectState

from apps.base import schema_changes
from apps.base.schema_changes import in_batches

# Emptying every table of the portal after each test would take longer than the tests, which touch none.
pytestmark = pytest.mark.django_db(transaction=True, available_apps=["apps.base"])

NAME = models.CharField(max_length=20)
only_postgresql = pytest.mark.skipif("connection.vendor != 'postgresql'", reason="of PostgreSQL")


class Tables:
    """Two tables of this test only, and operations on them."""

    def __init__(self) -> None:
        self.state = ProjectState()
        key = ("id", models.BigAutoField(primary_key=True))
        self.run(migrations.CreateModel("Owner", [key]), atomic=True)
        self.run(
            migrations.CreateModel(
                "Thing", [key, ("name", NAME), ("code", models.CharField(max_length=9, unique=True))]
            ),
            atomic=True,
        )
        self.sql("INSERT INTO scratch_thing (name, code) VALUES ('same', 'a'), ('same', 'b')")

    def sql(self, statement: str) -> list[Any]:
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def run(self, operation: Any, *, times: int = 1, atomic: bool = False) -> None:
        before = self.state.clone()
        operation.state_forwards("scratch", self.state)
        for _ in range(times):
            with connection.schema_editor(atomic=atomic) as editor:
                operation.database_forwards("scratch", editor, before, self.state)

    def undo(self, operation: Any) -> None:
        before = self.state.clone()
        operation.state_forwards("scratch", self.state)
        with connection.schema_editor(atomic=False) as editor:
            operation.database_backwards("scratch", editor, self.state, before)
        self.state = before

    def constraints(self) -> dict[str, Any]:
        with connection.cursor() as cursor:
            return connection.introspection.get_constraints(cursor, "scratch_thing")

    def drop(self) -> None:
        for table in ("scratch_thing", "scratch_part", "scratch_owner"):
            self.sql(f"DROP TABLE IF EXISTS {table}")


@pytest.fixture
def tables():
    made = Tables()
    yield made
    made.drop()


BY_NAME = models.Index(fields=["name", "id"], name="thing_by_name")


def test_an_index_is_made_and_dropped_again(tables):
    tables.run(schema_changes.AddIndex("thing", BY_NAME), times=2)
    assert tables.constraints()["thing_by_name"]["columns"] == ["name", "id"]
    tables.run(schema_changes.RemoveIndex("thing", "thing_by_name"), times=2)
    assert "thing_by_name" not in tables.constraints()
    tables.run(schema_changes.AddIndex("thing", BY_NAME))
    tables.state.models["scratch", "thing"].options["indexes"] = []
    tables.undo(schema_changes.AddIndex("thing", BY_NAME))
    assert "thing_by_name" not in tables.constraints()


@only_postgresql
def test_what_a_broken_off_try_left_is_made_anew(tables):
    with pytest.raises(DatabaseError):
        tables.sql("CREATE UNIQUE INDEX CONCURRENTLY thing_by_name ON scratch_thing (name)")
    valid = "SELECT indisvalid, indisunique FROM pg_index WHERE indexrelid = 'thing_by_name'::regclass"
    assert tables.sql(valid) == [(False, True)]
    tables.run(schema_changes.AddIndex("thing", BY_NAME))
    assert tables.sql(valid) == [(True, False)]


@only_postgresql
def test_an_index_waits_for_others_longer_than_other_statements_may(tables):
    tables.sql("SET lock_timeout = '123ms'")
    with connection.schema_editor(atomic=False) as editor:
        schema_changes.concurrently(editor, "SELECT set_config('portal.seen', current_setting('lock_timeout'), false)")
    assert tables.sql("SELECT current_setting('portal.seen'), current_setting('lock_timeout')") == [("0", "123ms")]
    tables.sql("RESET lock_timeout")


@pytest.mark.parametrize("condition", [None, models.Q(id__gt=0)])
def test_a_unique_constraint_is_added_where_rows_keep_to_it(tables, condition):
    unique = models.UniqueConstraint(fields=["name"], name="one_name", condition=condition)
    if connection.vendor == "postgresql":
        with pytest.raises(DatabaseError):
            tables.run(schema_changes.AddConstraint("thing", unique))
        tables.state.models["scratch", "thing"].options["constraints"] = []
    tables.sql("UPDATE scratch_thing SET name = code")
    tables.run(schema_changes.AddConstraint("thing", unique), times=2)
    assert tables.constraints()["one_name"]["unique"]
    with pytest.raises(DatabaseError), transaction.atomic():
        tables.sql("INSERT INTO scratch_thing (name, code) VALUES ('a', 'c')")
    tables.run(schema_changes.RemoveConstraint("thing", "one_name"), times=2)
    assert "one_name" not in tables.constraints()


def test_a_check_is_in_force_for_old_rows_and_new_ones(tables):
    check = models.CheckConstraint(condition=~models.Q(name=""), name="has_name")
    tables.run(schema_changes.AddConstraint("thing", check), times=2)
    with pytest.raises(DatabaseError), transaction.atomic():
        tables.sql("INSERT INTO scratch_thing (name, code) VALUES ('', 'c')")
    if connection.vendor == "postgresql":
        assert tables.sql("SELECT convalidated FROM pg_constraint WHERE conname = 'has_name'") == [(True,)]


@pytest.mark.parametrize("keep", [True, False])
def test_who_does_not_know_a_new_column_goes_on_inserting(tables, keep):
    note = models.CharField(max_length=9, default="none")
    tables.run(schema_changes.AddField("thing", "note", note, preserve_default=keep), times=2)
    tables.sql("INSERT INTO scratch_thing (name, code) VALUES ('old', 'c')")
    assert set(tables.sql("SELECT note FROM scratch_thing")) == {("none",)}


def test_a_new_column_has_its_check(tables):
    tables.run(schema_changes.AddField("thing", "count", models.PositiveIntegerField(default=7)), times=2)
    tables.sql("INSERT INTO scratch_thing (name, code) VALUES ('old', 'c')")
    assert set(tables.sql("SELECT count FROM scratch_thing")) == {(7,)}
    with pytest.raises(DatabaseError), transaction.atomic():
        tables.sql("INSERT INTO scratch_thing (name, code, count) VALUES ('old', 'd', -1)")
    if connection.vendor == "postgresql":
        checks = "SELECT conname, convalidated FROM pg_constraint WHERE contype = 'c' AND conname LIKE 'scratch_%'"
        assert tables.sql(checks) == [("scratch_thing_count_check", True)]


def test_a_new_key_of_another_table_has_its_index(tables):
    key = models.ForeignKey("scratch.Owner", models.CASCADE, null=True, related_name="+")
    tables.run(schema_changes.AddField("thing", "owner", key), times=2)
    found = [each for each in tables.constraints().values() if each["columns"] == ["owner_id"]]
    assert any(each["index"] for each in found), found
    assert any(each["foreign_key"] for each in found), found


def test_a_unique_column_becomes_one_that_is_found_by_an_index(tables):
    tables.run(schema_changes.AlterField("thing", "code", models.CharField(max_length=9, db_index=True)), times=2)
    found = [each for each in tables.constraints().values() if each["columns"] == ["code"]]
    assert [each for each in found if each["unique"]] == []
    assert any(each["index"] for each in found), found
    tables.sql("INSERT INTO scratch_thing (name, code) VALUES ('twice', 'a')")


def test_a_table_is_made_once_with_all_that_belongs_to_it(tables):
    fields = [
        ("id", models.BigAutoField(primary_key=True)),
        ("owner", models.ForeignKey("scratch.Owner", models.CASCADE)),
    ]
    tables.run(schema_changes.CreateModel("Part", fields), times=2)
    with connection.cursor() as cursor:
        found = connection.introspection.get_constraints(cursor, "scratch_part").values()
    assert any(each["foreign_key"] for each in found), found
    assert any(each["index"] for each in found), found


def test_rows_are_changed_in_batches_that_stay_when_a_later_one_fails(tables):
    tables.sql("INSERT INTO scratch_thing (name, code) VALUES ('same', 'c'), ('other', 'd'), ('same', 'e')")
    Thing = tables.state.apps.get_model("scratch", "Thing")
    sizes = []
    with pytest.raises(ZeroDivisionError):
        for batch in in_batches(Thing.objects.filter(name="same"), size=2):
            sizes.append(batch.update(name="changed"))
            1 / (2 - len(sizes))
    assert sizes == [2, 2] and Thing.objects.filter(name="changed").count() == 2

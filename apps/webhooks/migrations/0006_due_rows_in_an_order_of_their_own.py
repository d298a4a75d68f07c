"""PostgreSQL: the two indexes of due rows give an order that no other index gives.

A claim asks for the first due rows of one endpoint. In the plain order the planner may take the index of all pending
rows instead and filter it by endpoint, which reads the whole backlog. Nothing in the column is null.
"""

from typing import Any

from django.db import migrations, transaction

from apps.base.schema_changes import concurrently

INDEXES = {"delivery_due_first": "attempt_count = 0", "delivery_due_again": "attempt_count > 0"}


def _rebuild(schema_editor: Any, order: str) -> None:
    if schema_editor.connection.vendor != "postgresql":
        return
    for name, tries in INDEXES.items():
        concurrently(schema_editor, f"DROP INDEX CONCURRENTLY IF EXISTS {name}_new")
        concurrently(
            schema_editor,
            f"CREATE INDEX CONCURRENTLY {name}_new ON webhooks_delivery (endpoint_id, next_attempt_at {order}) "
            f"WHERE status = 'pending' AND {tries}",
        )
        with transaction.atomic(schema_editor.connection.alias):
            schema_editor.execute(f"DROP INDEX IF EXISTS {name}")
            schema_editor.execute(f"ALTER INDEX {name}_new RENAME TO {name}")


def nulls_first(_apps: Any, schema_editor: Any) -> None:
    _rebuild(schema_editor, "NULLS FIRST")


def plain(_apps: Any, schema_editor: Any) -> None:
    _rebuild(schema_editor, "")


class Migration(migrations.Migration):
    atomic = False

    dependencies = [('webhooks', '0005_trouble_told_and_not_yet_over')]

    operations = [migrations.RunPython(nulls_first, plain)]

from django.db import migrations, transaction

from apps.audit.migrations import _append_only as append_only
from apps.base.schema_changes import in_batches

# What is hashed must be what the API shows: milliseconds. No entry has a seal yet.
# PostgreSQL: the trigger lets that change through for as long as it is made, and no other.
LET_THROUGH = """
CREATE OR REPLACE FUNCTION portal_audit_auditentry_append_only() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
 IF TG_OP = 'UPDATE' THEN
  IF NEW.at = date_trunc('milliseconds', OLD.at) AND to_jsonb(NEW) - 'at' = to_jsonb(OLD) - 'at' THEN
   RETURN NEW;
  END IF;
 END IF;
 RAISE EXCEPTION 'audit entries are append-only' USING ERRCODE = 'restrict_violation';
END $$
"""
ROUND = (
    "UPDATE audit_auditentry SET at = date_trunc('milliseconds', at)"
    " WHERE id = ANY(%s) AND at <> date_trunc('milliseconds', at)"
)
# Django writes a time in SQLite with six digits, or with none.
ROUND_IN_SQLITE = (
    "UPDATE audit_auditentry SET at = CASE WHEN substr(at, 21, 3) = '000' THEN substr(at, 1, 19)"
    " ELSE substr(at, 1, 23) || '000' END WHERE length(at) > 23 AND substr(at, 24) <> '000'"
)


def round_and_guard(apps, editor):
    """Cut what is finer than a millisecond, and put every trigger in its place."""
    if editor.connection.vendor == "postgresql":
        install(editor)
        editor.execute(LET_THROUGH)
        for batch in in_batches(apps.get_model("audit", "AuditEntry").objects.all()):
            editor.execute(ROUND, [list(batch.values_list("pk", flat=True))])
        install(editor)
    else:
        with transaction.atomic(editor.connection.alias):
            append_only.remove(editor.connection)
            editor.execute(ROUND_IN_SQLITE)
            append_only.install(editor.connection)


def install(editor):
    with transaction.atomic(editor.connection.alias):
        append_only.install(editor.connection)


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("audit", "0005_seals")]
    operations = [migrations.RunPython(round_and_guard, migrations.RunPython.noop)]

from django.db import migrations

from apps.audit import append_only

# What is hashed must be what the API shows: milliseconds. No entry has a seal yet. Django writes a time in SQLite with
# six digits, or with none.
ROUND = {
    "postgresql": "UPDATE audit_auditentry SET at = date_trunc('milliseconds', at)"
    " WHERE at <> date_trunc('milliseconds', at)",
    "sqlite": "UPDATE audit_auditentry SET at = CASE WHEN substr(at, 21, 3) = '000' THEN substr(at, 1, 19)"
    " ELSE substr(at, 1, 23) || '000' END WHERE length(at) > 23 AND substr(at, 24) <> '000'",
}


def round_and_guard(apps, editor):
    """This will cut what is finer than a millisecond, and put every trigger in its place."""
    append_only.remove(editor.connection)
    editor.execute(ROUND[editor.connection.vendor])
    append_only.install(editor.connection)


class Migration(migrations.Migration):
    dependencies = [("audit", "0005_seals")]
    operations = [migrations.RunPython(round_and_guard, migrations.RunPython.noop)]

from django.db import migrations, transaction

from apps.audit.migrations import _append_only as append_only


def install(apps, editor):
    with transaction.atomic(editor.connection.alias):
        append_only.install(editor.connection)


def remove(apps, editor):
    append_only.remove(editor.connection)


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("audit", "0001_initial")]
    # SQLite remakes a table to change it, which drops its triggers: a later migration of audit_auditentry
    # must run append_only.install again.
    operations = [migrations.RunPython(install, remove)]

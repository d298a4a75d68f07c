from django.db import migrations

from apps.audit import append_only


class Migration(migrations.Migration):
    dependencies = [("audit", "0001_initial")]
    # SQLite remakes a table to change it, which drops its triggers: a later migration of audit_auditentry
    # must run append_only.install again.
    operations = [
        migrations.RunPython(
            lambda apps, editor: append_only.install(editor.connection),
            lambda apps, editor: append_only.remove(editor.connection),
        )
    ]

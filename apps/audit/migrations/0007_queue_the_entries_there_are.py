from django.db import migrations

from apps.base.schema_changes import in_batches


def queue(apps, editor):
    """Queue every entry for its seal."""
    AuditEntry, Unsealed = (apps.get_model("audit", name) for name in ("AuditEntry", "Unsealed"))
    for batch in in_batches(AuditEntry.objects.all()):
        rows = [Unsealed(entry_id=key) for key in batch.values_list("pk", flat=True)]
        Unsealed.objects.bulk_create(rows, ignore_conflicts=True)


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("audit", "0006_triggers_and_whole_milliseconds")]
    operations = [migrations.RunPython(queue, migrations.RunPython.noop)]

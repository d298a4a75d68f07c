from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("audit", "0006_triggers_and_whole_milliseconds")]
    operations = [
        migrations.RunSQL(
            "INSERT INTO audit_unsealed (entry_id) SELECT id FROM audit_auditentry WHERE true ON CONFLICT DO NOTHING",
            migrations.RunSQL.noop,
        )
    ]

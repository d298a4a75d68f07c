from django.db import migrations, models

from apps.base import schema_changes


class Migration(migrations.Migration):
    atomic = False

    dependencies = [('webhooks', '0011_lists_narrowed_to_what_is_rare')]

    operations = [
        schema_changes.AddField('endpoint', 'paused_by', models.CharField(blank=True, default='', max_length=200), False),
        schema_changes.AddField('endpoint', 'paused_at', models.DateTimeField(null=True)),
    ]

from django.db import migrations, models

from apps.base import schema_changes


class Migration(migrations.Migration):
    atomic = False

    dependencies = [('webhooks', '0012_who_paused_an_endpoint')]

    operations = [
        schema_changes.AddField('endpoint', 'created_by_kind', models.CharField(blank=True, db_default='', default='', editable=False, max_length=10)),
        schema_changes.AddField('endpoint', 'created_by_id', models.CharField(blank=True, db_default='', default='', editable=False, max_length=40)),
        schema_changes.AddField('endpoint', 'created_by_label', models.CharField(blank=True, db_default='', default='', editable=False, max_length=200)),
        schema_changes.AddIndex('endpoint', models.Index(fields=['organization', 'created_by_id'], name='endpoint_by_creator')),
    ]

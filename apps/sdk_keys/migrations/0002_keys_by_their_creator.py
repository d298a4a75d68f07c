from django.db import migrations, models

from apps.base import schema_changes


class Migration(migrations.Migration):
    atomic = False

    dependencies = [('sdk_keys', '0001_initial')]

    operations = [
        schema_changes.AddIndex('sdkkey', models.Index(fields=['organization', 'created_by_id', 'id'], name='sdk_key_by_creator')),
    ]

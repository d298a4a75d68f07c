from django.db import migrations, models

from apps.base import schema_changes


class Migration(migrations.Migration):
    atomic = False

    dependencies = [('api_keys', '0007_habits_of_keys')]

    operations = [
        schema_changes.AddIndex('apikey', models.Index(fields=['organization', 'created_by_id', 'id'], name='api_key_by_creator')),
    ]

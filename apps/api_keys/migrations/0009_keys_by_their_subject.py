from django.db import migrations, models

from apps.base import schema_changes


class Migration(migrations.Migration):
    atomic = False

    dependencies = [('api_keys', '0008_keys_by_their_creator')]

    operations = [
        schema_changes.AddIndex('apikey', models.Index(fields=['organization', 'subject', 'id'], name='api_key_by_subject')),
    ]

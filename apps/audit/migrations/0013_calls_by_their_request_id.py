from django.db import migrations, models

from apps.base import schema_changes


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ('audit', '0012_refused_calls_in_words'),
    ]

    operations = [
        schema_changes.AddIndex(
            model_name='apicall',
            index=models.Index(fields=['request_id', 'organization', 'id'], name='api_call_any_request'),
        ),
        schema_changes.RemoveIndex(
            model_name='apicall',
            name='api_call_by_request',
        ),
    ]

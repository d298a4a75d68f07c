from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('audit', '0012_refused_calls_in_words'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='apicall',
            index=models.Index(fields=['request_id', 'organization', 'id'], name='api_call_any_request'),
        ),
        migrations.RemoveIndex(
            model_name='apicall',
            name='api_call_by_request',
        ),
    ]

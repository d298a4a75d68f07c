from django.db import migrations, models

from apps.base import schema_changes


class Migration(migrations.Migration):
    atomic = False

    dependencies = [('webhooks', '0008_deliveries_of_an_event_at_an_endpoint')]

    operations = [
        schema_changes.AddField(
            model_name='workerbeat',
            name='clock_offset',
            field=models.FloatField(default=0, help_text="Seconds that its clock was ahead of the database's."),
        ),
    ]

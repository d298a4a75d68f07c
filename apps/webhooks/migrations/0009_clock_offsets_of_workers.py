from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [('webhooks', '0008_deliveries_of_an_event_at_an_endpoint')]

    operations = [
        migrations.AddField(
            model_name='workerbeat',
            name='clock_offset',
            field=models.FloatField(default=0, help_text="Seconds that its clock was ahead of the database's."),
        ),
    ]

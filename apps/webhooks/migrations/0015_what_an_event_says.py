from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("webhooks", "0014_creators_of_the_endpoints_there_are")]

    operations = [
        migrations.AddField(
            model_name="event",
            name="content_digest",
            field=models.CharField(
                help_text="Of type and data where client_id is given; see repeats.py.", max_length=64, null=True
            ),
        )
    ]

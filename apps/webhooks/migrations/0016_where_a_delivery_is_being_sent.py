from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("webhooks", "0015_what_an_event_says")]

    operations = [
        migrations.AddField(
            model_name="delivery", name="sending_to", field=models.CharField(max_length=270, null=True)
        )
    ]

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("orgs", "0002_leak_policy_of_an_organization")]

    operations = [
        migrations.AddField(
            "outgoingmail", "template", models.CharField(blank=True, db_default="", default="", max_length=40)
        ),
        migrations.AddField(
            "outgoingmail", "regarding", models.CharField(blank=True, db_default="", default="", max_length=64)
        ),
    ]

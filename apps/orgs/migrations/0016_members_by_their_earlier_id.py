from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("orgs", "0015_a_default_limit_of_endpoints")]

    operations = [
        migrations.AddConstraint(
            "membership", models.UniqueConstraint(fields=["earlier_id"], name="one_membership_per_former_account")
        ),
        migrations.RemoveConstraint("membership", "one_membership_per_earlier_id"),
    ]

from django.db import migrations, models

from apps.base import schema_changes


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("orgs", "0015_a_default_limit_of_endpoints")]

    operations = [
        schema_changes.AddConstraint(
            "membership", models.UniqueConstraint(fields=["earlier_id"], name="one_membership_per_former_account")
        ),
        schema_changes.RemoveConstraint("membership", "one_membership_per_earlier_id"),
    ]

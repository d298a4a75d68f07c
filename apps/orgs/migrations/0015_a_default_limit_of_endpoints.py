"""Organizations with more endpoints than the default limit keep what they have, and may replace one by another."""

from django.conf import settings
from django.db import migrations, models
from django.db.models import Count


def keep_theirs(apps, schema_editor):
    endpoints = apps.get_model("webhooks", "Endpoint").objects.filter(deleted_at=None).order_by()
    counted = endpoints.values("organization_id").annotate(count=Count("pk"))
    organizations = apps.get_model("orgs", "Organization").objects.filter(endpoint_limit=None)
    for row in counted.filter(count__gt=settings.WEBHOOK_ENDPOINTS) if settings.WEBHOOK_ENDPOINTS else ():
        organizations.filter(pk=row["organization_id"]).update(endpoint_limit=row["count"])


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("orgs", "0014_one_spelling_of_each_address"),
        ("webhooks", "0016_where_a_delivery_is_being_sent"),
    ]

    operations = [
        migrations.RunPython(keep_theirs, migrations.RunPython.noop),
        migrations.AlterField(
            model_name="organization",
            name="endpoint_limit",
            field=models.PositiveIntegerField(
                blank=True,
                help_text="Empty: the limit of WEBHOOK_ENDPOINTS.",
                null=True,
                verbose_name="most webhook endpoints",
            ),
        ),
    ]

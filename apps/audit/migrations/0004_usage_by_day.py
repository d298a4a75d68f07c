import uuid
from datetime import UTC

import django.db.models.deletion
from django.db import migrations, models, transaction
from django.db.models import Max, Sum
from django.db.models.functions import TruncDate

from apps.base import schema_changes

KEY = ["organization", "credential_id", "day", "method", "route", "status_class", "address", "scopes"]
REST = ("method", "route", "status_class", "address", "scopes")
CHUNK = 1000


def sum_up_the_hours(apps, editor):
    """Sum the figures by hour that there are up by day, one organization after the other."""
    for organization_id in apps.get_model("orgs", "Organization").objects.values_list("pk", flat=True):
        with transaction.atomic(editor.connection.alias):
            sum_up(apps, organization_id)


def sum_up(apps, organization_id):
    UsageHour, UsageDay = (apps.get_model("audit", name) for name in ("UsageHour", "UsageDay"))
    if UsageDay.objects.filter(organization_id=organization_id).exists():
        return
    days = (
        UsageHour.objects.filter(organization_id=organization_id)
        .values("organization_id", "credential_id", *REST, day=TruncDate("hour", tzinfo=UTC))
        .annotate(sum=Sum("calls"), newest=Max("last_at"))
        .order_by()
    )
    rows = (UsageDay(calls=row.pop("sum"), last_at=row.pop("newest"), **row) for row in days.iterator(CHUNK))
    UsageDay.objects.bulk_create(rows, CHUNK)


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("audit", "0003_usage_by_agent_and_scopes"), ("orgs", "0001_initial")]
    operations = [
        schema_changes.CreateModel(
            "UsageDay",
            [
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("credential_id", models.UUIDField(default=uuid.UUID(int=0), help_text="All zeros: a session.")),
                ("day", models.DateField()),
                ("method", models.CharField(max_length=8)),
                ("route", models.CharField(max_length=120)),
                ("status_class", models.CharField(help_text="2xx, 4xx, 429, 5xx", max_length=3)),
                ("address", models.CharField(blank=True, max_length=45)),
                (
                    "scopes",
                    models.CharField(blank=True, help_text="Those that the calls used, sorted.", max_length=200),
                ),
                ("calls", models.PositiveIntegerField(default=0)),
                ("last_at", models.DateTimeField(help_text="The newest of the calls.")),
                (
                    "organization",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="orgs.organization",
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["organization", "day"], name="usage_day_by_org")],
                "constraints": [models.UniqueConstraint(fields=KEY, name="one_usage_day_row")],
            },
        ),
        migrations.RunPython(sum_up_the_hours, migrations.RunPython.noop),
    ]

from datetime import UTC, datetime

from django.db import migrations, models
from django.db.models import F

from apps.base import schema_changes

NEVER = datetime(1970, 1, 1, tzinfo=UTC)
# What was counted before is known by the hour only.
KEY = ["organization", "credential_id", "hour", "method", "route", "status_class", "address"]


def date_the_old_rows(apps, editor):
    """Say of the figures there are that their newest call was at the start of their hour."""
    for batch in schema_changes.in_batches(apps.get_model("audit", "UsageHour").objects.all()):
        batch.update(last_at=F("hour"))


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("audit", "0002_append_only")]
    operations = [
        schema_changes.AddField(
            "apicall",
            "scopes",
            models.CharField(blank=True, default="", help_text="Those that the call used, sorted.", max_length=200),
            preserve_default=False,
        ),
        schema_changes.AddField(
            "apicall", "flagged", models.BooleanField(default=False, help_text="Made by a key in quarantine.")
        ),
        schema_changes.RemoveConstraint("usagehour", "one_usage_row"),
        schema_changes.AddField(
            "usagehour",
            "user_agent",
            models.CharField(blank=True, default="", max_length=120),
            preserve_default=False,
        ),
        schema_changes.AddField(
            "usagehour",
            "scopes",
            models.CharField(blank=True, default="", help_text="Those that the calls used, sorted.", max_length=200),
            preserve_default=False,
        ),
        schema_changes.AddField(
            "usagehour",
            "last_at",
            models.DateTimeField(default=NEVER, help_text="The newest of the calls."),
            preserve_default=False,
        ),
        schema_changes.AddConstraint(
            "usagehour", models.UniqueConstraint(fields=[*KEY, "user_agent", "scopes"], name="one_usage_row")
        ),
        migrations.RunPython(date_the_old_rows, migrations.RunPython.noop),
    ]

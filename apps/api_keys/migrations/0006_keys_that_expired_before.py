"""What expired before anybody was told of it is no news: the first sweep must not announce years of old keys."""

from django.db import migrations
from django.utils import timezone

from apps.base.schema_changes import in_batches


def mark_expired(apps, schema_editor):
    expired = apps.get_model('api_keys', 'ApiKey').objects.filter(expires_at__lte=timezone.now())
    for batch in in_batches(expired):
        batch.update(announced_days=0)


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ('api_keys', '0005_what_was_announced_of_a_key'),
    ]

    operations = [
        migrations.RunPython(mark_expired, migrations.RunPython.noop),
    ]

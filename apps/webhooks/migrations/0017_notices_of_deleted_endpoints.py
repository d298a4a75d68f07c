"""Notices of endpoints that were deleted lead to a page that is gone: they are closed, and lead to the list."""

from django.db import migrations
from django.utils import timezone

from apps.base.identifiers import decode
from apps.base.schema_changes import in_batches

PATH = "settings/integration/webhooks/"


def retire(apps, schema_editor):
    gone = set(apps.get_model("webhooks", "Endpoint").objects.exclude(deleted_at=None).values_list("pk", flat=True))
    notices = apps.get_model("notices", "Notice").objects
    for batch in in_batches(notices.filter(kind__startswith="endpoint.")):
        keys = [row.pk for row in batch if decode("ep", row.dedupe_key.split(":")[1]) in gone]
        notices.filter(pk__in=keys, resolved_at=None).update(resolved_at=timezone.now())
        notices.filter(pk__in=keys).update(path=PATH, mail_wanted=False)


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("webhooks", "0016_where_a_delivery_is_being_sent"),
        ("notices", "0003_lists_of_notices"),
    ]

    operations = [migrations.RunPython(retire, migrations.RunPython.noop)]

"""Who created the endpoints that are there already: the audit log says so, as far back as it is kept."""

from django.db import migrations

from apps.base.identifiers import decode
from apps.base.schema_changes import in_batches


def fill(apps, schema_editor):
    Endpoint = apps.get_model("webhooks", "Endpoint")
    entries = apps.get_model("audit", "AuditEntry").objects.filter(action="endpoint.created")
    for organization_id in Endpoint.objects.order_by().values_list("organization_id", flat=True).distinct():
        for batch in in_batches(entries.filter(organization_id=organization_id)):
            for entry in batch:
                Endpoint.objects.filter(pk=decode("ep", entry.target_id), created_by_id="").update(
                    created_by_kind=entry.actor_kind, created_by_id=entry.actor_id, created_by_label=entry.actor_label
                )


class Migration(migrations.Migration):
    atomic = False

    dependencies = [('webhooks', '0013_who_created_an_endpoint'), ('audit', '0012_refused_calls_in_words')]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]

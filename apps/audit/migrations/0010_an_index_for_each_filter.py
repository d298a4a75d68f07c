from django.db import migrations, models

from apps.base import schema_changes


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ('audit', '0009_stored_exports'),
    ]

    operations = [
        schema_changes.AddIndex(
            model_name='apicall',
            index=models.Index(fields=['organization', 'route', 'id'], name='api_call_by_route'),
        ),
        schema_changes.AddIndex(
            model_name='apicall',
            index=models.Index(fields=['organization', 'request_id', 'id'], name='api_call_by_request'),
        ),
        schema_changes.AddIndex(
            model_name='apicall',
            index=models.Index(condition=models.Q(('credential_id', None)), fields=['organization', 'actor_id', 'id'], name='api_call_by_person'),
        ),
        schema_changes.AddIndex(
            model_name='auditentry',
            index=models.Index(fields=['organization', 'actor_id', 'id'], name='audit_entry_by_actor'),
        ),
        schema_changes.AddIndex(
            model_name='auditentry',
            index=models.Index(fields=['organization', 'action', 'id'], name='audit_entry_by_action'),
        ),
        schema_changes.AddIndex(
            model_name='auditentry',
            index=models.Index(fields=['organization', 'target_id', 'id'], name='audit_entry_by_target'),
        ),
        schema_changes.AddIndex(
            model_name='auditentry',
            index=models.Index(fields=['organization', 'request_id', 'id'], name='audit_entry_by_request'),
        ),
    ]

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('audit', '0009_stored_exports'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='apicall',
            index=models.Index(fields=['organization', 'route', 'id'], name='api_call_by_route'),
        ),
        migrations.AddIndex(
            model_name='apicall',
            index=models.Index(fields=['organization', 'request_id', 'id'], name='api_call_by_request'),
        ),
        migrations.AddIndex(
            model_name='apicall',
            index=models.Index(condition=models.Q(('credential_id', None)), fields=['organization', 'actor_id', 'id'], name='api_call_by_person'),
        ),
        migrations.AddIndex(
            model_name='auditentry',
            index=models.Index(fields=['organization', 'actor_id', 'id'], name='audit_entry_by_actor'),
        ),
        migrations.AddIndex(
            model_name='auditentry',
            index=models.Index(fields=['organization', 'action', 'id'], name='audit_entry_by_action'),
        ),
        migrations.AddIndex(
            model_name='auditentry',
            index=models.Index(fields=['organization', 'target_id', 'id'], name='audit_entry_by_target'),
        ),
        migrations.AddIndex(
            model_name='auditentry',
            index=models.Index(fields=['organization', 'request_id', 'id'], name='audit_entry_by_request'),
        ),
    ]

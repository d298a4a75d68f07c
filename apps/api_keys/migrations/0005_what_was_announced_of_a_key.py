from django.db import migrations, models

from apps.base import schema_changes


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ('api_keys', '0004_who_makes_keys_of_a_type'),
    ]

    operations = [
        schema_changes.AddField(
            model_name='apikey',
            name='announced_days',
            field=models.PositiveSmallIntegerField(db_default=999, default=999, editable=False, help_text='The last notice of its expiry: so many days before. 0: that it has expired.'),
        ),
        schema_changes.AddField(
            model_name='apikey',
            name='rotation_reminded_at',
            field=models.DateTimeField(editable=False, null=True),
        ),
        schema_changes.AddIndex(
            model_name='apikey',
            index=models.Index(condition=models.Q(('announced_days__gt', 0), ('overlap_since', None), ('revoked_at', None)), fields=['expires_at'], name='api_key_expiry_due'),
        ),
        schema_changes.AddIndex(
            model_name='apikey',
            index=models.Index(condition=models.Q(('overlap_since', None), ('revoked_at', None), ('rotation_reminded_at', None)), fields=['created_at'], name='api_key_unreminded'),
        ),
    ]

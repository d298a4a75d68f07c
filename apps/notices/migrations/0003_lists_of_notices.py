from django.db import migrations, models

from apps.base import schema_changes


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ('notices', '0002_who_dismissed_a_notice'),
    ]

    operations = [
        schema_changes.AddIndex(
            model_name='notice',
            index=models.Index(condition=models.Q(dismissed_at=None, resolved_at=None), fields=['organization', 'id'], name='notice_open'),
        ),
        schema_changes.AddIndex(
            model_name='notice',
            index=models.Index(fields=['organization', 'id'], name='notice_by_org'),
        ),
    ]

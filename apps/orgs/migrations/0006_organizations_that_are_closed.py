from django.db import migrations, models

from apps.base import schema_changes


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ('orgs', '0005_settings_of_an_organization'),
    ]

    operations = [
        schema_changes.AddField(
            model_name='organization',
            name='closed_at',
            field=models.DateTimeField(blank=True, editable=False, null=True, verbose_name='closed at'),
        ),
        schema_changes.AddField(
            model_name='organization',
            name='kept_until',
            field=models.DateTimeField(blank=True, help_text='Of a closed organization: then its data are removed.', null=True, verbose_name='kept until'),
        ),
        schema_changes.AddField(
            model_name='organization',
            name='purged_at',
            field=models.DateTimeField(blank=True, editable=False, null=True, verbose_name='data removed at'),
        ),
        schema_changes.AddIndex(
            model_name='organization',
            index=models.Index(condition=models.Q(('status', 'closed')), fields=['kept_until'], name='closed_organizations'),
        ),
    ]

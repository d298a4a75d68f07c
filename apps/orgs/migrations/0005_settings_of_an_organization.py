from django.db import migrations, models

from apps.base import schema_changes


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ('orgs', '0004_accounts_at_the_identity_provider'),
    ]

    operations = [
        schema_changes.AddField(
            model_name='organization',
            name='longest_key_days',
            field=models.PositiveIntegerField(blank=True, help_text="Empty: as the key's type says.", null=True, verbose_name='longest lifetime of keys, in days'),
        ),
        schema_changes.AddField(
            model_name='organization',
            name='two_step_required',
            field=models.BooleanField(db_default=False, default=False, verbose_name='members need two-step sign-in'),
        ),
        schema_changes.AddField(
            model_name='organization',
            name='retention_days_audit',
            field=models.PositiveIntegerField(blank=True, help_text='Empty: as long as the portal does.', null=True, verbose_name='days that the audit log is kept'),
        ),
        schema_changes.AddField(
            model_name='organization',
            name='retention_days_calls',
            field=models.PositiveIntegerField(blank=True, help_text='Empty: as long as the portal does.', null=True, verbose_name='days that API calls are kept'),
        ),
        schema_changes.AddField(
            model_name='organization',
            name='retention_days_deliveries',
            field=models.PositiveIntegerField(blank=True, help_text='Empty: as long as the portal does.', null=True, verbose_name='days that events and deliveries are kept'),
        ),
        schema_changes.AddField(
            model_name='organization',
            name='settings_version',
            field=models.PositiveIntegerField(db_default=0, default=0, editable=False, help_text='Counts changes: a form made from older ones is refused.'),
        ),
    ]

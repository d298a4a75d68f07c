from django.db import migrations, models

from apps.base import schema_changes


class Migration(migrations.Migration):
    atomic = False

    dependencies = [('orgs', '0009_operators_who_look')]

    operations = [
        schema_changes.AddField('membership', 'created_by_kind', models.CharField(blank=True, db_default='', default='', editable=False, max_length=10)),
        schema_changes.AddField('membership', 'created_by_id', models.CharField(blank=True, db_default='', default='', editable=False, max_length=40)),
        schema_changes.AddField('membership', 'created_by_label', models.CharField(blank=True, db_default='', default='', editable=False, max_length=200)),
        schema_changes.AddIndex('membership', models.Index(fields=['organization', 'created_by_id'], name='membership_by_creator')),
        schema_changes.AddIndex('invitation', models.Index(fields=['organization', 'invited_by_id'], name='invitation_by_creator')),
    ]

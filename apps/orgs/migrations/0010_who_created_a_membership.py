from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [('orgs', '0009_operators_who_look')]

    operations = [
        migrations.AddField('membership', 'created_by_kind', models.CharField(blank=True, db_default='', default='', editable=False, max_length=10)),
        migrations.AddField('membership', 'created_by_id', models.CharField(blank=True, db_default='', default='', editable=False, max_length=40)),
        migrations.AddField('membership', 'created_by_label', models.CharField(blank=True, db_default='', default='', editable=False, max_length=200)),
        migrations.AddIndex('membership', models.Index(fields=['organization', 'created_by_id'], name='membership_by_creator')),
        migrations.AddIndex('invitation', models.Index(fields=['organization', 'invited_by_id'], name='invitation_by_creator')),
    ]

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [('webhooks', '0012_who_paused_an_endpoint')]

    operations = [
        migrations.AddField('endpoint', 'created_by_kind', models.CharField(blank=True, db_default='', default='', editable=False, max_length=10)),
        migrations.AddField('endpoint', 'created_by_id', models.CharField(blank=True, db_default='', default='', editable=False, max_length=40)),
        migrations.AddField('endpoint', 'created_by_label', models.CharField(blank=True, db_default='', default='', editable=False, max_length=200)),
        migrations.AddIndex('endpoint', models.Index(fields=['organization', 'created_by_id'], name='endpoint_by_creator')),
    ]

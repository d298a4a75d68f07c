from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [('webhooks', '0011_lists_narrowed_to_what_is_rare')]

    operations = [
        migrations.AddField('endpoint', 'paused_by', models.CharField(blank=True, default='', max_length=200), False),
        migrations.AddField('endpoint', 'paused_at', models.DateTimeField(null=True)),
    ]

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [('api_keys', '0007_habits_of_keys')]

    operations = [
        migrations.AddIndex('apikey', models.Index(fields=['organization', 'created_by_id', 'id'], name='api_key_by_creator')),
    ]

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [('api_keys', '0008_keys_by_their_creator')]

    operations = [
        migrations.AddIndex('apikey', models.Index(fields=['organization', 'subject', 'id'], name='api_key_by_subject')),
    ]

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [('sdk_keys', '0001_initial')]

    operations = [
        migrations.AddIndex('sdkkey', models.Index(fields=['organization', 'created_by_id', 'id'], name='sdk_key_by_creator')),
    ]

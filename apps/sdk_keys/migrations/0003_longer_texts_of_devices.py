from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [('sdk_keys', '0002_keys_by_their_creator')]

    # PostgreSQL makes a varchar longer without rewriting the table.
    operations = [
        migrations.AlterField('activation', 'app_version', models.CharField('app version', blank=True, max_length=200)),
        migrations.AlterField('activation', 'os_version', models.CharField('system version', blank=True, max_length=200)),
    ]

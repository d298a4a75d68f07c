from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('api_keys', '0002_package_of_an_organization'),
    ]

    operations = [
        migrations.AddField(
            model_name='apikey',
            name='status_changed_at',
            field=models.DateTimeField(blank=True, null=True),
        ),
    ]

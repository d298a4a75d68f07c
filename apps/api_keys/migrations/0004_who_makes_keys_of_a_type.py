from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('api_keys', '0003_when_a_keys_state_changed'),
    ]

    operations = [
        migrations.AddField(
            model_name='keytype',
            name='made_by',
            field=models.CharField(choices=[('admins', 'Owners and admins, and keys that may'), ('owners', 'Owners only'), ('operators', 'Operators only')], db_default='admins', default='admins', max_length=10, verbose_name='made by'),
        ),
    ]

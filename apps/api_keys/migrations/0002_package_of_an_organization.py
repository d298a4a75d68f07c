import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('orgs', '0001_initial'),
        ('api_keys', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='Package',
            fields=[
                ('organization', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='+', serialize=False, to='orgs.organization', verbose_name='organization')),
                ('types_off', models.JSONField(blank=True, default=list, verbose_name='key types switched off')),
                ('scopes_off', models.JSONField(blank=True, default=list, verbose_name='scopes switched off')),
                ('contact', models.CharField(blank=True, help_text='Shown where something is switched off, such as “Write to sales@vendor.example”.', max_length=200, verbose_name='whom to ask')),
            ],
            options={
                'verbose_name': 'package of an organization',
                'verbose_name_plural': 'packages of organizations',
            },
        ),
    ]

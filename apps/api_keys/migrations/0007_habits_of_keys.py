from django.db import migrations, models
import django.db.models.deletion


class Migration(migrations.Migration):

    dependencies = [
        ('api_keys', '0006_keys_that_expired_before'),
    ]

    operations = [
        migrations.CreateModel(
            name='KeyHabit',
            fields=[
                ('key', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='habit', serialize=False, to='api_keys.apikey')),
                ('learned_at', models.DateTimeField()),
                ('first_hour', models.DateTimeField(null=True)),
                ('hours', models.PositiveIntegerField(default=0, help_text='In which it was used at all.')),
                ('busiest_hour', models.PositiveIntegerField(default=0)),
                ('calls', models.PositiveIntegerField(default=0)),
                ('refused', models.PositiveIntegerField(default=0)),
                ('networks', models.JSONField(default=list)),
            ],
            options={
                'verbose_name': 'habits of a key',
                'verbose_name_plural': 'habits of keys',
            },
        ),
    ]

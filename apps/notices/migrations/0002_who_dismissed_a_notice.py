from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('notices', '0001_initial'),
    ]

    operations = [
        migrations.AddField(
            model_name='notice',
            name='dismissed_by',
            field=models.CharField(blank=True, db_default='', help_text='Their name at that time.', max_length=200),
        ),
    ]

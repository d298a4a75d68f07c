from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('notices', '0002_who_dismissed_a_notice'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='notice',
            index=models.Index(condition=models.Q(dismissed_at=None, resolved_at=None), fields=['organization', 'id'], name='notice_open'),
        ),
        migrations.AddIndex(
            model_name='notice',
            index=models.Index(fields=['organization', 'id'], name='notice_by_org'),
        ),
    ]

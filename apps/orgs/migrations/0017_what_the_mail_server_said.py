from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('orgs', '0016_members_by_their_earlier_id'),
    ]

    operations = [
        migrations.AddField(
            model_name='outgoingmail',
            name='server_answer',
            field=models.CharField(blank=True, db_default='', default='', max_length=200),
        ),
    ]

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('orgs', '0006_organizations_that_are_closed'),
    ]

    operations = [
        migrations.AddField(
            model_name='organization',
            name='mail_recipients',
            field=models.JSONField(blank=True, help_text='Group of notices → roles and members; see mailing.py.', null=True, verbose_name='who gets which mail'),
        ),
        migrations.AddField(
            model_name='membership',
            name='mail_off',
            field=models.JSONField(blank=True, help_text='Groups of mail that the person does not want.', null=True),
        ),
    ]

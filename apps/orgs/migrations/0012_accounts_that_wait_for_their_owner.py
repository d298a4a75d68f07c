"""An account made through the API claims its address until the owner of the mailbox comes, and keeps it from nobody.

Nothing is filled in but who has signed in already: nobody is locked out. All columns have defaults in the database, so
that a process of the version before goes on writing rows meanwhile.
"""

from django.db import migrations, models

from apps.base import schema_changes


def keep_letting_in(apps, schema_editor):
    rows = apps.get_model("orgs", "User").objects.filter(password_is_provisional=True, last_login__isnull=False)
    for batch in schema_changes.in_batches(rows):
        batch.update(signs_in_unverified=True)


class Migration(migrations.Migration):
    atomic = False

    dependencies = [('orgs', '0011_creators_of_the_memberships_there_are')]

    operations = [
        schema_changes.AddField('user', 'signs_in_unverified', models.BooleanField(db_default=False, default=False, help_text='Signed in with a provisional password when that was allowed.')),
        schema_changes.AddField('user', 'address_epoch', models.PositiveIntegerField(db_default=0, default=0, help_text='Counts changes of the address: each ends the links in mails.')),
        migrations.RunPython(keep_letting_in, migrations.RunPython.noop),
    ]

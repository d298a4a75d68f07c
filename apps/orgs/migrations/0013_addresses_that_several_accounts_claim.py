import django.db.models.deletion
from django.db import migrations, models

from apps.base import schema_changes


class Migration(migrations.Migration):
    atomic = False

    dependencies = [('orgs', '0012_accounts_that_wait_for_their_owner')]

    operations = [
        schema_changes.AddConstraint('user', models.UniqueConstraint(condition=models.Q(password_is_provisional=False), fields=['email'], name='one_account_per_address')),
        schema_changes.AlterField('user', 'email', models.EmailField(db_index=True, max_length=254, verbose_name='e-mail address')),
        schema_changes.AddField('membership', 'earlier_id', models.UUIDField(editable=False, help_text="The account's key before the owner of the address took the place over.", null=True)),
        schema_changes.AddConstraint('membership', models.UniqueConstraint(fields=['organization', 'earlier_id'], name='one_membership_per_earlier_id')),
        schema_changes.AddField('invitation', 'membership', models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='orgs.membership')),
        schema_changes.RemoveConstraint('invitation', 'one_open_invitation_per_address'),
        schema_changes.AddConstraint('invitation', models.UniqueConstraint(condition=models.Q(membership=None, status='sent'), fields=['organization', 'email'], name='one_open_invitation_per_address')),
        schema_changes.AddConstraint('invitation', models.UniqueConstraint(condition=models.Q(status='sent'), fields=['membership'], name='one_open_invitation_per_member')),
        schema_changes.AddIndex('outgoingmail', models.Index(fields=['to', 'sent_at'], name='mail_by_address')),
    ]

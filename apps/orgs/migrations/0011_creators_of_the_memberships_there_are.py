"""Who created the memberships that are there already: the audit log says so, as far back as it is kept."""

from django.db import migrations

from apps.base.identifiers import decode
from apps.base.schema_changes import in_batches


def fill(apps, schema_editor):
    Membership = apps.get_model("orgs", "Membership")
    entries = apps.get_model("audit", "AuditEntry").objects
    for organization_id in Membership.objects.order_by().values_list("organization_id", flat=True).distinct():
        members = Membership.objects.filter(organization_id=organization_id, created_by_id="")
        there = entries.filter(organization_id=organization_id)
        for batch in in_batches(there.filter(action="user.created")):
            for entry in batch:
                set_creator(members, entry.target_id, entry)
        # Whoever accepted an invitation was invited by somebody: both entries are about the invitation.
        for batch in in_batches(there.filter(action="invitation.accepted")):
            for accepted in batch:
                invited = there.filter(action="invitation.created", target_id=accepted.target_id).first()
                if invited is not None:
                    set_creator(members, accepted.actor_id, invited)


def set_creator(members, user_id, entry):
    members.filter(user_id=decode("user", user_id)).update(
        created_by_kind=entry.actor_kind, created_by_id=entry.actor_id, created_by_label=entry.actor_label
    )


class Migration(migrations.Migration):
    atomic = False

    dependencies = [('orgs', '0010_who_created_a_membership'), ('audit', '0012_refused_calls_in_words')]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]

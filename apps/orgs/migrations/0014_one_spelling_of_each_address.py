"""Addresses with an international domain get the one spelling by which they are looked up from now on.

Where two accounts differ in the spelling alone both stay as they are, and both can sign in; ``manage.py check`` names them.
"""

import idna
from django.db import migrations
from django.db.models import Q

from apps.base.schema_changes import in_batches

INTERNATIONAL = Q(email__regex="[^ -~]") | Q(email__contains="@xn--") | Q(email__contains=".xn--")


def canonical(email):
    local, at, domain = email.rpartition("@")
    try:
        return local + at + idna.decode(idna.encode(domain, uts46=True))
    except (idna.IDNAError, UnicodeError):
        return email


def respell(apps, schema_editor):
    User, Invitation = apps.get_model("orgs", "User"), apps.get_model("orgs", "Invitation")
    EmailAddress = apps.get_model("account", "EmailAddress")
    for user in one_by_one(User.objects.filter(INTERNATIONAL)):
        wanted = canonical(user.email)
        if wanted != user.email and not User.objects.filter(email=wanted).exists():
            User.objects.filter(pk=user.pk).update(email=wanted)
            EmailAddress.objects.filter(user_id=user.pk, email=user.email).update(email=wanted)
    for row in one_by_one(Invitation.objects.filter(INTERNATIONAL, status="sent")):
        wanted = canonical(row.email)
        twins = Invitation.objects.filter(email=wanted, status="sent", organization_id=row.organization_id)
        if wanted != row.email and not twins.exists():
            Invitation.objects.filter(pk=row.pk).update(email=wanted)


def one_by_one(rows):
    for batch in in_batches(rows):
        yield from batch


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("orgs", "0013_addresses_that_several_accounts_claim"),
        ("account", "0009_emailaddress_unique_primary_email"),
    ]

    operations = [migrations.RunPython(respell, migrations.RunPython.noop)]

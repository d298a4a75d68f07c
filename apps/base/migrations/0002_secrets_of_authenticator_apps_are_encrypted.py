"""Encrypts the secrets of authenticator apps that are there, row by row while the portal runs, and back again.

Not atomic: one row is locked at a time. What a process of the version before writes meanwhile stays in clear, is read all
the same, and is encrypted at its next use or by ``rotate_encryption_key``.
"""

from django.db import migrations, transaction

from apps.base.crypto import binding, seal, unseal

SEALED = "v1:"


def encrypt(apps, schema_editor):
    change_each(apps, lambda kept, bound_to: kept if kept.startswith(SEALED) else str(seal(kept, bound_to)))


def write_in_clear(apps, schema_editor):
    change_each(apps, lambda kept, bound_to: unseal(kept, bound_to) if kept.startswith(SEALED) else kept)


def change_each(apps, change):
    model = apps.get_model("mfa", "Authenticator")
    for pk in list(model.objects.filter(type="totp").order_by("pk").values_list("pk", flat=True)):
        with transaction.atomic():
            row = model.objects.select_for_update().filter(pk=pk).first()
            if row is not None and row.data.get("secret"):
                bound_to = binding("mfa_authenticator", row.user_id, row.user_id, "data.secret")
                row.data["secret"] = change(row.data["secret"], bound_to)
                row.save(update_fields=["data"])


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("base", "0001_initial"),
        ("mfa", "0003_authenticator_type_uniq"),
    ]

    operations = [migrations.RunPython(encrypt, write_in_clear, elidable=True)]

"""Encrypts the secrets of authenticator apps that are there, row by row while the portal runs, and back again.

Not atomic: one row is locked at a time. What a process of the version before writes meanwhile stays in clear, is read all
the same, and is encrypted at its next use or by ``rotate_encryption_key``.
"""

from django.db import migrations, transaction

from apps.base.step_secrets import is_in_clear, older_secrets, renew, secret_of


def encrypt(apps, schema_editor):
    model = apps.get_model("mfa", "Authenticator")
    for pk, kept in older_secrets(model):
        if is_in_clear(kept):
            renew(pk, model)


def write_in_clear(apps, schema_editor):
    model = apps.get_model("mfa", "Authenticator")
    for pk in list(model.objects.filter(type="totp").order_by("pk").values_list("pk", flat=True)):
        with transaction.atomic():
            row = model.objects.select_for_update().filter(pk=pk).first()
            if row is not None and row.data.get("secret"):
                row.data["secret"] = secret_of(row)
                row.save(update_fields=["data"])


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("base", "0001_initial"),
        ("mfa", "0003_authenticator_type_uniq"),
    ]

    operations = [migrations.RunPython(encrypt, write_in_clear, elidable=True)]

"""The database itself refuses to change or remove an entry."""

import uuid

import pytest
from django.db import DatabaseError, connection, transaction

from apps.audit.migrations import _append_only as append_only
from apps.audit.models import AuditEntry
from tests.audit.conftest import change, person

pytestmark = pytest.mark.django_db


def refused(statement: str, *values: object) -> None:
    with pytest.raises(DatabaseError, match=append_only.MESSAGE), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement, values)


def stored_id(entry: AuditEntry) -> object:
    return entry.pk if connection.vendor == "postgresql" else entry.pk.hex


def test_update_and_delete_are_refused(organization):
    entry = change(person(organization))
    refused("UPDATE audit_auditentry SET action = 'user.created' WHERE id = %s", stored_id(entry))
    refused("DELETE FROM audit_auditentry WHERE id = %s", stored_id(entry))
    with pytest.raises(DatabaseError, match=append_only.MESSAGE), transaction.atomic():
        entry.save()
    with pytest.raises(DatabaseError, match=append_only.MESSAGE), transaction.atomic():
        AuditEntry.objects.all().delete()
    assert AuditEntry.objects.get().action == "api_key.created"


def test_truncate_is_refused(organization):
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no TRUNCATE")
    change(person(organization))
    # A deferred check that still waits would be refused before the trigger is asked.
    connection.check_constraints()
    refused("TRUNCATE audit_auditentry CASCADE")


def test_an_entry_cannot_be_written_over(organization):
    entry = change(person(organization))
    names = [field.column for field in AuditEntry._meta.concrete_fields]
    columns, copied = ", ".join(names), ", ".join("'user.created'" if name == "action" else name for name in names)
    into = f"INTO audit_auditentry ({columns}) SELECT {copied} FROM audit_auditentry"
    if connection.vendor == "sqlite":
        statement = f"INSERT OR REPLACE {into}"
    else:
        statement = f"INSERT {into} WHERE true ON CONFLICT (id) DO UPDATE SET action = 'user.created'"
    refused(statement)
    assert AuditEntry.objects.get().pk == entry.pk


def test_the_triggers_can_be_put_back(organization):
    append_only.remove(connection)
    append_only.install(connection)
    append_only.install(connection)
    entry = change(person(organization))
    refused("DELETE FROM audit_auditentry WHERE id = %s", stored_id(entry))
    assert AuditEntry.objects.filter(pk=entry.pk).exists()
    assert not AuditEntry.objects.filter(pk=uuid.uuid4()).exists()

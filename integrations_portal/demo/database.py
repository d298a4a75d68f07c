"""Migrates the demo's database and checks for its data. Imports little, because it runs at each start."""

from django.core.management import call_command

from apps.orgs.models import Organization
from integrations_portal.database.migration_locks import is_migrated
from integrations_portal.demo.people import ACME


def migrate() -> None:
    """Migrate the database unless it is up to date."""
    if not is_migrated():
        call_command("migrate", interactive=False, verbosity=0)


def is_seeded() -> bool:
    """Return whether the sample data exists; it is written in one transaction."""
    return Organization.objects.filter(slug=ACME).exists()

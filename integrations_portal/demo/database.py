"""Whether the demo's database is up to date and filled. Imports little: this runs at each start."""

from django.core.management import call_command

from apps.orgs.models import Organization
from integrations_portal.database.migration_locks import is_migrated
from integrations_portal.demo.people import ACME


def migrate() -> None:
    """Bring the database up to date; where it is, that is only a look."""
    if not is_migrated():
        call_command("migrate", interactive=False, verbosity=0)


def is_seeded() -> bool:
    """Tell whether the past has been written: all of it was, or none."""
    return Organization.objects.filter(slug=ACME).exists()

"""Whether the demo's database is up to date and filled. Imports little: this runs at each start."""

from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from apps.orgs.models import Organization
from integrations_portal.demo.people import ACME


def migrate() -> None:
    """This will bring the database up to date; where it is, that is only a look."""
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        call_command("migrate", interactive=False, verbosity=0)


def is_seeded() -> bool:
    """This will tell whether the past has been written: all of it was, or none."""
    return Organization.objects.filter(slug=ACME).exists()

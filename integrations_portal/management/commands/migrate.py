"""Django's ``migrate``, made safe to run while the portal runs."""

from typing import Any

from django.core.management.base import CommandParser
from django.core.management.commands import migrate
from django.db import connections

from integrations_portal.database.migration_locks import LockRetrier, migration_lock

PATIENCE_SECONDS = 60.0


class Command(migrate.Command):
    """Runs one at a time; on PostgreSQL it blocks other queries for at most half a second per lock."""

    help = (
        f"{migrate.Command.help} It may run while the portal runs, and several times at once: the second waits for the "
        "first. On PostgreSQL it needs a connection that goes through no pooler."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Add ``--patience`` to Django's options."""
        super().add_arguments(parser)
        parser.add_argument(
            "--patience",
            type=float,
            default=PATIENCE_SECONDS,
            metavar="SECONDS",
            help="PostgreSQL: how long it goes on asking for a lock that somebody else holds (60)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Apply the missing migrations, or report which session blocks a table."""
        connection = connections[options["database"]]
        if options["plan"] or options["check_unapplied"]:
            super().handle(*args, **options)
            return
        report = self.stdout.write if options["verbosity"] else lambda _text: None
        with migration_lock(connection, report):
            if connection.vendor == "postgresql":
                work = lambda: migrate.Command.handle(self, *args, **options)  # noqa: E731
                LockRetrier(connection).run(work, options["patience"], report)
            else:
                super().handle(*args, **options)

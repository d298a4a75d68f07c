"""``manage.py openapi``: print the OpenAPI document of this portal."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.test import override_settings

from apps.base.rest.renderers import to_json
from apps.webhooks.models import EventType
from integrations_portal.api_docs.openapi.document import document
from integrations_portal.urls import documented

# The server URL in the committed copy, to be replaced by readers.
SNAPSHOT_URL = "https://portal.example.com"


def snapshot() -> str:
    """Return the document with ``SNAPSHOT_URL`` as server, as in docs/openapi.json."""
    with override_settings(PUBLIC_URL=SNAPSHOT_URL):
        return to_json(document(documented, EventType.objects.all()), indent=1) + "\n"


class Command(BaseCommand):
    """Prints the document."""

    help = (
        "Prints the OpenAPI document of the public API with the event types of this portal, as docs/openapi.json "
        "holds it: run on a fresh database it rewrites that file (manage.py openapi --to docs/openapi.json)."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the file to write to."""
        parser.add_argument("--to", metavar="FILE", help="write to this file instead of standard output")

    def handle(self, *args: Any, **options: Any) -> None:
        """Write the document."""
        if options["to"] is None:
            self.stdout.write(snapshot(), ending="")
            return
        with open(options["to"], "w", encoding="utf-8") as file:
            file.write(snapshot())
        self.stdout.write(f"Wrote {options['to']}.")

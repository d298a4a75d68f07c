"""The base of commands that change things: errors become one sentence on stderr and exit code 1."""

import json
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.base.errors import PortalError


class PortalCommand(BaseCommand):
    """A thin door: reads arguments, makes one call, prints what came of it."""

    def add_arguments(self, parser: CommandParser) -> None:
        """This will add ``--json``, which every command that prints a result takes."""
        parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")

    def handle(self, *args: Any, **options: Any) -> None:
        """This will run the command and turn what callers may see into a sentence."""
        try:
            result = self.run_command(**options)
        except PortalError as error:
            raise CommandError(str(error)) from None
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from None
        if options["json"]:
            self.stdout.write(json.dumps(result))
        else:
            self.stdout.write("\n".join(f"{name}: {self._text(value)}" for name, value in result.items()))

    def run_command(self, **options: Any) -> dict[str, Any]:
        """This will do the work and return what to print."""
        raise CommandError("this command does nothing yet")

    @staticmethod
    def _text(value: Any) -> str:
        return ", ".join(map(str, value)) if isinstance(value, list) else "-" if value is None else str(value)

"""The base class of management commands: errors become one sentence on stderr and exit code 1."""

import json
import sys
from collections.abc import Collection, Iterable
from typing import Any, NoReturn

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.base.errors import PortalError
from apps.base.text.validation import did_you_mean


class PortalCommand(BaseCommand):
    """A command that reads arguments, calls one action and prints the result."""

    def create_parser(self, prog_name: str, subcommand: str, **options: Any) -> CommandParser:
        """Report invalid arguments as every other error: one sentence and exit code 1."""
        parser = super().create_parser(prog_name, subcommand, **options)
        if parser.called_from_command_line:
            parser.error = self._refuse  # type: ignore[method-assign]  # of this parser only
        return parser

    def _refuse(self, message: str) -> NoReturn:
        self.stderr.write(message[:1].upper() + message[1:] + ".")
        sys.exit(1)

    def add_arguments(self, parser: CommandParser) -> None:
        """Add ``--json``, which every command that prints a result takes."""
        parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the command; turn PortalError and ValidationError into one sentence."""
        for name, value in options.items():
            if isinstance(value, str) and ("\0" in value or (not value.isprintable() and _has_surrogates(value))):
                raise CommandError(f"--{name.replace('_', '-')} holds characters that are no text.")
        try:
            result = self.run_command(**options)
        except PortalError as error:
            raise CommandError(str(error)) from None
        except ValidationError as error:
            messages_by_field = getattr(error, "message_dict", {"": error.messages})
            sentences = (
                f"{name}: {' '.join(texts)}" if name else " ".join(texts) for name, texts in messages_by_field.items()
            )
            raise CommandError(" ".join(sentences)) from None
        if options["json"]:
            self.stdout.write(json.dumps(result))
        else:
            self.stdout.write("\n".join(f"{name}: {self._format_value(value)}" for name, value in result.items()))
        if failure := self.failure(result):
            raise CommandError(failure)

    def failure(self, result: dict[str, Any]) -> str:
        """Return a sentence for stderr where the printed result is a failure (exit code 1)."""
        return ""

    def run_command(self, **options: Any) -> dict[str, Any]:
        """Do the work and return what to print."""
        raise CommandError("this command does nothing yet")

    @staticmethod
    def _format_value(value: Any) -> str:
        return ", ".join(map(str, value)) if isinstance(value, list) else "-" if value is None else str(value)


def split_list(text: str) -> list[str]:
    """Return the words of an option that takes several, separated by commas."""
    return [word.strip() for word in text.split(",") if word.strip()]


def check_choices(option: str, words: Iterable[str], accepted: Collection[str]) -> None:
    """Raise CommandError for the first word that is not accepted, with a suggestion and the accepted words."""
    for word in words:
        if word not in accepted:
            meant, known = did_you_mean(word.lower(), accepted), ", ".join(sorted(accepted))
            raise CommandError(f"{option} does not accept {word}.{meant} Accepted: {known}.")


def _has_surrogates(text: str) -> bool:
    """Return whether the text has lone surrogates, to which Python decodes command-line bytes that are not UTF-8."""
    return any("\ud800" <= letter <= "\udfff" for letter in text)

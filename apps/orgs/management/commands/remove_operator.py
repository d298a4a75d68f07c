"""Remove an operator."""

from typing import Any

from django.core.management.base import CommandParser

from apps.base.actor import system
from apps.base.commands import PortalCommand
from apps.base.text.email_validation import normalize_email
from apps.orgs.support_access import operators


class Command(PortalCommand):
    help = (
        "End an operator's rights and sessions at once. An account that belongs to no organization is erased and its "
        "address is free again. The last operator cannot be removed: make another one first (create_operator)."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        super().add_arguments(parser)
        parser.add_argument("--email", required=True, help="the operator's address")

    def run_command(self, **options: Any) -> dict[str, Any]:
        """Remove the operator; exits with 1 if there is none with the address, or no other operator."""
        operators.remove_operator(actor=system(label="remove_operator"), email=options["email"])
        return {"removed": normalize_email(options["email"])}

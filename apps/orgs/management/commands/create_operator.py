"""Create an operator."""

from typing import Any

from django.core.management.base import CommandParser

from apps.base.actor import system
from apps.base.commands import PortalCommand
from apps.orgs.mail.token_links import set_password_link
from apps.orgs.support_access import operators


class Command(PortalCommand):
    help = "Make an operator of the vendor, who uses /admin/. Prints a link by which to set a password."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        super().add_arguments(parser)
        parser.add_argument("--email", required=True)

    def run_command(self, **options: Any) -> dict[str, Any]:
        """Create the account; two-step sign-in is set up at the first sign-in."""
        operator = operators.create_operator(actor=system(label="create_operator"), email=options["email"])
        return {"id": operator.public_id, "email": operator.email, "set_password_link": set_password_link(operator)}

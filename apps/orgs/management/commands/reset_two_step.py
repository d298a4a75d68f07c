"""Remove the second step of a user who lost phone, passkeys and recovery codes."""

from typing import Any

from django.core.management.base import CommandParser

from apps.base.actor import system
from apps.base.commands import PortalCommand
from apps.orgs.accounts import two_step_actions


class Command(PortalCommand):
    help = (
        "Take authenticator app, passkeys and recovery codes from an account and end its sessions. The password stays. "
        "Make sure by another way who is asking: whoever knows the password gets in afterwards."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        super().add_arguments(parser)
        parser.add_argument("--email", required=True)

    def run_command(self, **options: Any) -> dict[str, Any]:
        """Remove the second step; the user gets a mail, and the audit logs of their organizations an entry."""
        user = two_step_actions.reset_two_step(actor=system(label="reset_two_step"), email=options["email"])
        return {"id": user.public_id, "email": user.email}

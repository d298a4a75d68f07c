"""Create an organization and its owner."""

from typing import Any

from django.core.management.base import CommandParser

from apps.base.actor import system
from apps.base.commands import PortalCommand
from apps.orgs.lifecycle import creation
from apps.orgs.mail.token_links import set_password_link


class Command(PortalCommand):
    help = "Make an organization and its owner. Prints a link by which the owner sets a password."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        super().add_arguments(parser)
        parser.add_argument("--name", required=True, help="what people read")
        parser.add_argument(
            "--slug", required=True, help="what stands in addresses: lower-case letters, digits, hyphens"
        )
        parser.add_argument("--owner-email", required=True, help="the first owner's address")

    def run_command(self, **options: Any) -> dict[str, Any]:
        """Create both in one transaction."""
        organization, owner = creation.create_organization(
            actor=system(label="create_organization"),
            name=options["name"],
            slug=options["slug"],
            owner_email=options["owner_email"],
        )
        return {
            "id": organization.public_id,
            "name": organization.name,
            "slug": organization.slug,
            "owner": owner.email,
            "set_password_link": set_password_link(owner),
        }

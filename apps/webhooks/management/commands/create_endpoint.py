"""Make a webhook endpoint from the shell."""

from typing import Any

from django.core.management.base import CommandParser

from apps.base.actor import system
from apps.base.commands import PortalCommand
from apps.base.organizations import working_organization_pk
from apps.webhooks import actions


class Command(PortalCommand):
    help = "Make a webhook endpoint and print its signing secret, once. Without --events it gets every event."

    def add_arguments(self, parser: CommandParser) -> None:
        """This will take whose it is, where it is, and what it gets."""
        super().add_arguments(parser)
        parser.add_argument("--org", required=True, metavar="SLUG")
        parser.add_argument("--url", required=True)
        parser.add_argument("--events", default="*", metavar="a.b,c.*")

    def run_command(self, **options: Any) -> dict[str, Any]:
        """This will make the endpoint as the system."""
        endpoint, secret = actions.create_endpoint(
            actor=system(working_organization_pk(options["org"]), label="create_endpoint"),
            url=options["url"],
            event_types=[name.strip() for name in options["events"].split(",") if name.strip()],
        )
        return {"id": endpoint.public_id, "url": endpoint.url, "secret": secret}

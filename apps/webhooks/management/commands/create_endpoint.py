"""Create a webhook endpoint from the command line."""

from typing import Any

from django.core.management.base import CommandParser

from apps.base.actor import system
from apps.base.commands import PortalCommand, check_choices, split_list
from apps.orgs.lookups import active_organization_pk
from apps.webhooks import actions
from apps.webhooks.types.catalogue import known_patterns


class Command(PortalCommand):
    help = "Make a webhook endpoint and print its signing secret, once. Without --events it gets every event."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--org", required=True, metavar="SLUG")
        parser.add_argument("--url", required=True)
        parser.add_argument("--events", default="*", metavar="a.b,c.*")

    def run_command(self, **options: Any) -> dict[str, Any]:
        actor = system(active_organization_pk(options["org"]), label="create_endpoint")
        patterns = split_list(options["events"])
        check_choices("--events", patterns, known_patterns())
        endpoint, secret = actions.create_endpoint(actor=actor, url=options["url"], event_types=patterns)
        return {"id": endpoint.public_id, "url": endpoint.url, "secret": secret}

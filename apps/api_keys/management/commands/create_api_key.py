"""Create an API key from the shell."""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from apps.api_keys import actions
from apps.api_keys.actions import Lifetime
from apps.api_keys.models import Scope
from apps.base.actor import system
from apps.base.commands import PortalCommand, check_choices, split_list
from apps.base.timestamps import format_timestamp
from apps.orgs.lookups import active_organization_pk


class Command(PortalCommand):
    help = "Make an API key and print it, once. Default expiry: the type's. --org platform takes the type platform."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the settings of the key; here limits can exceed the type's, and 0 is no limit."""
        super().add_arguments(parser)
        parser.add_argument("--org", required=True, metavar="SLUG")
        parser.add_argument("--type", required=True, help="such as partner; /admin/ → key types has them all")
        parser.add_argument("--name", required=True, help="what people call it")
        parser.add_argument(
            "--scopes",
            required=True,
            metavar="a:read,b:write",
            help="of those that the type may hold: /admin/ → key types",
        )
        parser.add_argument("--subject", default="", help="your reference of a client, where the type needs one")
        parser.add_argument("--expires-in-days", type=int, metavar="N")
        parser.add_argument("--per-minute", type=int, metavar="N", help="calls; 0 is no limit, left out the type's")
        parser.add_argument("--per-hour", type=int, metavar="N", help="calls; 0 is no limit, left out the type's")

    def run_command(self, **options: Any) -> dict[str, Any]:
        """Create the key as the system actor."""
        actor = system(active_organization_pk(options["org"]), label="create_api_key")
        types = {each.name: each for each in actions.types_of(actor)}
        check_choices("--type", [options["type"]], types)
        scopes = split_list(options["scopes"])
        catalogue = frozenset(Scope.objects.values_list("name", flat=True))
        check_choices("--scopes", scopes, types[options["type"]].allowed_scopes(catalogue))
        key, plaintext = actions.create_key(
            actor=actor,
            name=options["name"],
            key_type=options["type"],
            scopes=scopes,
            subject=options["subject"],
            lifetime=self._lifetime(options["expires_in_days"]),
            limits={name: self._limit(name, options[f"per_{name}"]) for name in actions.WINDOWS},
        )
        return {
            "id": key.public_id,
            "key": plaintext,
            "mask": key.mask,
            "type": key.key_type.name,
            "scopes": key.scopes,
            "expires_at": format_timestamp(key.expires_at),
        }

    def _limit(self, name: str, limit: int | None) -> int | None:
        if limit is not None and not 0 <= limit < 2**31:
            raise CommandError(f"--per-{name} must be from 0 (no limit) to {2**31 - 1}.")
        return limit

    def _lifetime(self, days: int | None) -> Lifetime | None:
        if days is None:
            return None
        if not 1 <= days <= actions.MAX_DAYS:
            raise CommandError(f"--expires-in-days must be from 1 to {actions.MAX_DAYS}.")
        return Lifetime.days(days)

"""Revoke an API key from the shell; the only way for keys of the ``platform`` organization, which has no pages."""

from typing import Any

from django.core.management.base import CommandParser

from apps.api_keys import actions
from apps.base.actor import system
from apps.base.commands import PortalCommand
from apps.base.errors import NotFound
from apps.base.extension_points.descendants import descendants
from apps.base.timestamps import format_timestamp
from apps.orgs.lookups import organization_pk

NO_SUCH_KEY = "The organization {org!r} has no API key with this id. /admin/ → API keys shows the id of each key: key_…"


class Command(PortalCommand):
    help = "Revoke an API key at once and for good. Revoking it again changes nothing."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the organization, the key's id and the reason."""
        super().add_arguments(parser)
        parser.add_argument("--org", required=True, metavar="SLUG")
        parser.add_argument("--id", required=True, metavar="key_…")
        parser.add_argument("--reason", default="", help="for the audit log, at most 200 characters")

    def run_command(self, **options: Any) -> dict[str, Any]:
        """Revoke the key as the system actor."""
        actor = system(organization_pk(options["org"]), label="revoke_api_key")
        try:
            key = actions.revoke_key(actor=actor, key_id=options["id"], reason=options["reason"])
        except NotFound:
            raise NotFound(NO_SUCH_KEY.format(**options)) from None
        return {
            "id": key.public_id,
            "mask": key.mask,
            "name": key.name,
            "revoked_at": format_timestamp(key.revoked_at),
            "descendants": len(descendants(key.organization_id, key.public_id)),
        }

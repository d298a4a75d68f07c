"""The organization's keys, for the filters of the audit page."""

from apps.api_keys.models import ApiKey
from apps.audit.sources import Party
from apps.base.actor import Actor, ActorKind


def keys(actor: Actor, most: int) -> list[Party]:
    """This will return keys in every state, the newest ones, with what they are recognised by."""
    rows = ApiKey.objects.for_actor(actor).order_by("-pk")[:most]
    named = [Party(ActorKind.API_KEY.value, row.public_id, f"{row.name} · {row.mask}") for row in rows]
    return sorted(named, key=lambda party: party.label.casefold())

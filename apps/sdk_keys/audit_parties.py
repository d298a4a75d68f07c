"""The organization's SDK keys, for the filters of the audit page."""

from apps.audit.sources import Party
from apps.base.actor import Actor, ActorKind
from apps.sdk_keys.models import SdkKey


def keys(actor: Actor, most: int) -> list[Party]:
    """This will return keys in every state, the newest ones, with what they are recognised by."""
    rows = SdkKey.objects.for_actor(actor).order_by("-pk")[:most]
    named = [Party(ActorKind.SDK_KEY.value, row.public_id, f"{row.name} · {row.mask}") for row in rows]
    return sorted(named, key=lambda party: party.label.casefold())

"""What a copy of an organization's data says of its SDK keys: masked, with how many devices hold an activation."""

from collections.abc import Iterator
from typing import Any

from apps.audit.usage import last_uses
from apps.base.actor import Actor
from apps.base.exports import in_batches
from apps.sdk_keys.models import SdkKey
from apps.sdk_keys.serializers import write_sdk_key


def keys(actor: Actor) -> Iterator[dict[str, Any]]:
    """This will return every key, ended ones too, in the shape of the API: its ``active_count`` counts activations."""
    rows = SdkKey.objects.for_actor(actor).with_related()
    for batch in in_batches(rows):
        uses = last_uses([row.pk for row in batch])
        yield from (write_sdk_key(row, uses.get(row.pk)) for row in batch)

"""What a copy of an organization's data says of its API keys: masked, as everywhere."""

from collections.abc import Iterator
from typing import Any

from apps.api_keys.models import ApiKey
from apps.api_keys.serializers import write_key
from apps.audit.usage import last_uses
from apps.base.actor import Actor
from apps.base.exports import in_batches


def keys(actor: Actor) -> Iterator[dict[str, Any]]:
    """This will return every key, ended ones too, in the shape of the API."""
    rows = ApiKey.objects.for_actor(actor).with_related()
    for batch in in_batches(rows):
        uses = last_uses([row.pk for row in batch])
        yield from (write_key(row, uses.get(row.pk)) for row in batch)

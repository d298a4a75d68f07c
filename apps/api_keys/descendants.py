"""API keys that a user or a key created, by rotating too, and what those created in turn."""

import uuid
from collections import defaultdict
from collections.abc import Collection

from apps.api_keys import actions
from apps.api_keys.models import ApiKey
from apps.base.actor import Actor, ActorKind
from apps.base.extension_points.descendants import Descendant, describe
from apps.base.identifiers import encode


def find(organization_id: uuid.UUID, creators: Collection[str]) -> list[Descendant]:
    """Return the keys that these created, followed through every key on the way, also one that has ended."""
    rows = ApiKey.objects.filter(organization_id=organization_id)
    made = defaultdict(list)
    for pk, creator in rows.filter(created_by_kind=ActorKind.API_KEY).values_list("pk", "created_by_id"):
        made[creator].append(pk)
    found = set(rows.filter(created_by_id__in=creators).values_list("pk", flat=True))
    waiting = list(found)
    while waiting:
        new = [pk for pk in made[encode(ApiKey.id_prefix, waiting.pop())] if pk not in found]
        found.update(new)
        waiting += new
    return [
        describe(
            "api_key",
            key,
            name=key.name,
            status=str(key.status),
            is_active=not key.has_ended,
            can_have_descendants=True,
        )
        for key in rows.filter(pk__in=found)
    ]  # fmt: skip


def end(*, actor: Actor, id: str, reason: str) -> None:
    """Revoke one of them."""
    actions.revoke_key(actor=actor, key_id=id, reason=reason, successors=False)

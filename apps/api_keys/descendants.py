"""The API keys that a user or key created, directly or through other keys, for the registry of descendants."""

import uuid
from collections import defaultdict
from collections.abc import Collection

from apps.api_keys import actions
from apps.api_keys.models import ApiKey
from apps.base.actor import Actor, ActorKind
from apps.base.extension_points.descendants import Descendant, describe
from apps.base.identifiers import encode


def find(organization_id: uuid.UUID, creators: Collection[str]) -> list[Descendant]:
    """Return the keys that the creators made, directly or through other keys, revoked and expired ones included."""
    rows = ApiKey.objects.filter(organization_id=organization_id)
    made = defaultdict(list)
    for pk, creator in rows.filter(created_by_kind=ActorKind.API_KEY).values_list("pk", "created_by_id"):
        made[creator].append(pk)
    found = set(rows.filter(created_by_id__in=creators).values_list("pk", flat=True))
    queue = list(found)
    while queue:
        new = [pk for pk in made[encode(ApiKey.id_prefix, queue.pop())] if pk not in found]
        found.update(new)
        queue += new
    return [
        describe(
            "api_key",
            key,
            name=key.name,
            status=str(key.status),
            is_active=not key.is_revoked_or_expired,
            can_have_descendants=True,
        )
        for key in rows.filter(pk__in=found)
    ]


def end(*, actor: Actor, id: str, reason: str) -> None:
    """Revoke one descendant, but not the keys that it created."""
    actions.revoke_key(actor=actor, key_id=id, reason=reason, successors=False)

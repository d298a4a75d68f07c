"""SDK keys that a user or a key created. They create nothing themselves."""

import uuid
from collections.abc import Collection

from apps.base.actor import Actor
from apps.base.descendants import Descendant, describe
from apps.sdk_keys import actions
from apps.sdk_keys.models import SdkKey


def find(organization_id: uuid.UUID, creators: Collection[str]) -> list[Descendant]:
    """Return the keys that these created, by rotating too."""
    rows = SdkKey.objects.filter(organization_id=organization_id, created_by_id__in=creators)
    return [
        describe("sdk_key", key, name=key.name, status=str(key.status), is_active=not key.has_ended) for key in rows
    ]


def end(*, actor: Actor, id: str, reason: str) -> None:
    """Revoke one of them."""
    actions.revoke_sdk_key(actor=actor, key_id=id, reason=reason)

"""The test inbox of an organization."""

import uuid
from typing import cast

from django.db import transaction

from apps.base.actor import Actor
from apps.base.permissions import Permission
from apps.webhooks.actions.checks import check_endpoint_limit
from apps.webhooks.actions.endpoints import add_endpoint
from apps.webhooks.engine.test_inbox import INBOX_URL
from apps.webhooks.models import Endpoint
from apps.webhooks.types.subjects import require_scopes

INBOX_TYPES = ["*"]


@transaction.atomic
def open_inbox(*, actor: Actor) -> Endpoint:
    """Return the organization's test inbox, creating one for all events if there is none.

    It counts towards the endpoint limit. Its signing secret is not returned, as the portal verifies the signatures
    itself; to verify them elsewhere, rotate the secret.
    """
    actor.require(Permission.WEBHOOKS_WRITE)
    rows = Endpoint.objects.for_actor(actor).existing().filter(url=INBOX_URL)
    if found := rows.first():
        return found
    require_scopes(actor, INBOX_TYPES)
    check_endpoint_limit(cast(uuid.UUID, actor.organization_id))
    # Again, under the lock that the check took, so that two concurrent requests create one inbox.
    if found := rows.first():
        return found
    endpoint, _secret = add_endpoint(actor, {"url": INBOX_URL, "event_types": INBOX_TYPES})
    return endpoint

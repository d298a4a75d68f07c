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
    """Return the organization's test inbox, made for all events where there is none.

    It counts as an endpoint. Its secret is not returned: the portal checks the signatures itself; whoever wants to
    check them too rotates it.
    """
    actor.require(Permission.WEBHOOKS_WRITE)
    rows = Endpoint.objects.for_actor(actor).existing().filter(url=INBOX_URL)
    if found := rows.first():
        return found
    require_scopes(actor, INBOX_TYPES)
    check_endpoint_limit(cast(uuid.UUID, actor.organization_id))
    # Once more, under the lock that the check took: two clicks make one inbox.
    if found := rows.first():
        return found
    endpoint, _secret = add_endpoint(actor, {"url": INBOX_URL, "event_types": INBOX_TYPES})
    return endpoint

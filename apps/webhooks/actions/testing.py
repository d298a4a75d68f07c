"""Create an organization's test inbox, and check URLs with a request."""

import time
import uuid
from collections.abc import Callable
from typing import cast

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from apps.base.actor import Actor
from apps.base.concurrency import heavy_work
from apps.base.permissions import Permission
from apps.base.rest.renderers import to_json
from apps.base.timestamps import format_timestamp_ms
from apps.webhooks.actions.checks import check_endpoint_limit, checked_url
from apps.webhooks.actions.endpoints import create_endpoint_rows
from apps.webhooks.engine.messages import ACCEPT, USER_AGENT
from apps.webhooks.engine.outcomes import Outcome
from apps.webhooks.engine.sender import OutboundRequest, Sender
from apps.webhooks.engine.test_inbox import INBOX_URL
from apps.webhooks.models import Endpoint
from apps.webhooks.types.catalogue import ALL_EVENTS
from apps.webhooks.types.scopes import require_scopes

PROBE_TYPE = "endpoint.check"
# Shorter than the timeout of deliveries, because a user waits for the result.
MAX_SECONDS = 5

INBOX_TYPES = [ALL_EVENTS]


@transaction.atomic
def open_inbox(*, actor: Actor) -> Endpoint:
    """Return the organization's test inbox, creating one for all events if there is none.

    The inbox counts towards the endpoint limit. Its signing secret is not returned, as the page verifies signatures; to
    verify them elsewhere, rotate the secret.
    """
    actor.require(Permission.WEBHOOKS_WRITE)
    rows = Endpoint.objects.for_actor(actor).existing().filter(url=INBOX_URL)
    if found := rows.first():
        return found
    require_scopes(actor, INBOX_TYPES)
    check_endpoint_limit(cast(uuid.UUID, actor.organization_id))
    # Queried again under the lock that ``check_endpoint_limit`` took, so that concurrent requests create one inbox.
    if found := rows.first():
        return found
    endpoint, _secret = create_endpoint_rows(actor, {"url": INBOX_URL, "event_types": INBOX_TYPES})
    return endpoint


def probe_url(*, actor: Actor, url: str, count: Callable[[], None]) -> Outcome:
    """Send one unsigned request to a URL and return its outcome; nothing is stored.

    Raise Invalid on ``url`` if an endpoint could not have it. ``count`` is called right before the request and applies
    the caller's rate limit, so that invalid URLs do not count.
    """
    actor.require(Permission.WEBHOOKS_WRITE)
    checked = checked_url(url)
    with heavy_work.reserve_slot(actor.organization_id):
        count()
        return probe(checked, actor.organization_id)


def probe(url: str, organization_id: object) -> Outcome:
    """POST an event without data and without webhook headers, so that no server mistakes it for a real one."""
    seconds = min(MAX_SECONDS, settings.WEBHOOK_TIMEOUT)
    body = to_json({"type": PROBE_TYPE, "timestamp": format_timestamp_ms(timezone.now()), "data": {}}).encode()
    headers = [("content-type", "application/json"), ("user-agent", f"{USER_AGENT} (check)"), *ACCEPT]
    sender = Sender(max_in_flight=1)
    try:
        sender.submit(OutboundRequest(None, url, headers, body, seconds * 1000, organization_id))
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if outcomes := sender.poll(max(0.0, min(0.5, deadline - time.monotonic()))):
                return outcomes[0]
        return sender.abort_all("timed_out")[0]
    finally:
        sender.close()

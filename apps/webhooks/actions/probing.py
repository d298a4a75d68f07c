"""Check a URL by a request before it is saved."""

import time
from collections.abc import Callable

from django.conf import settings
from django.utils import timezone

from apps.base.actor import Actor
from apps.base.concurrency import heavy_work
from apps.base.permissions import Permission
from apps.base.rest.renderers import to_json
from apps.base.timestamps import format_timestamp_ms
from apps.webhooks.actions.checks import checked_url
from apps.webhooks.engine.messages import ACCEPT, USER_AGENT
from apps.webhooks.engine.outcomes import Outcome
from apps.webhooks.engine.sender import OutboundRequest, Sender

PROBE_TYPE = "endpoint.check"
# A user is waiting for the form.
MAX_SECONDS = 5


def probe_url(*, actor: Actor, url: str, count: Callable[[], None]) -> Outcome:
    """Send one unsigned request to a URL and return its outcome; nothing is stored.

    Raises Invalid on ``url`` if it could not be saved either. ``count`` is called right before the request and applies
    the caller's rate limit, so that only requests that are sent count.
    """
    actor.require(Permission.WEBHOOKS_WRITE)
    checked = checked_url(url)
    with heavy_work.reserve_slot(actor.organization_id):
        count()
        return probe(checked, actor.organization_id)


def probe(url: str, organization_id: object) -> Outcome:
    """POST an empty event without webhook headers, so that no server mistakes it for a real one."""
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

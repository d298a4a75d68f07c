"""One request to a URL that somebody is about to save: the guarded way, as deliveries go, and without a signature."""

import time

from django.conf import settings
from django.utils import timezone

from apps.base.instants import format_timestamp_ms
from apps.base.rendering import to_json
from apps.webhooks.messages import ACCEPT, USER_AGENT
from apps.webhooks.outcomes import Outcome
from apps.webhooks.sender import OutboundRequest, Sender

PROBE_TYPE = "endpoint.check"
# Somebody is waiting in front of the form.
LONGEST_SECONDS = 5


def probe(url: str, organization_id: object) -> Outcome:
    """POST an empty event without webhook headers, so that no receiver takes it for a real one."""
    seconds = min(LONGEST_SECONDS, settings.WEBHOOK_TIMEOUT)
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

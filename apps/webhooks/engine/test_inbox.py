"""The test inbox: a built-in endpoint for users without a server.

The inbox is an endpoint with the URL ``inbox:test``. Its deliveries are claimed, signed and recorded like all others,
but no request is sent. The inbox page shows the stored attempt and the event's body, so no other data is stored.
"""

from apps.webhooks.engine.claims import ClaimedDelivery
from apps.webhooks.engine.outcomes import Outcome

INBOX_URL = "inbox:test"


def is_inbox(url: str) -> bool:
    """Return whether this is the URL of the test inbox, which users cannot enter because its scheme is not HTTP."""
    return url == INBOX_URL


def inbox_outcome(claimed: ClaimedDelivery) -> Outcome:
    """Return the successful outcome of a delivery to the inbox."""
    return Outcome(claimed, status_code=200, response_body="Kept by the test inbox.\n")

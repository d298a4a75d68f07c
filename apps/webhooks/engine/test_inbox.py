"""The test inbox: a built-in endpoint for users without a server.

It is an endpoint with the URL ``inbox:test``. Its deliveries are claimed, signed and recorded like all others, but
nothing is sent. The inbox shows the attempt's record and the event's body: nothing is stored twice.
"""

from apps.webhooks.engine.claims import ClaimedDelivery
from apps.webhooks.engine.outcomes import Outcome

INBOX_URL = "inbox:test"


def is_inbox(url: str) -> bool:
    """Return whether the URL is the test inbox's. Users cannot enter it: it is not http."""
    return url == INBOX_URL


def inbox_outcome(claimed: ClaimedDelivery) -> Outcome:
    """Return the successful outcome of a delivery to the inbox."""
    return Outcome(claimed, status_code=200, response_body="Kept by the test inbox.\n")

"""The test inbox: a receiver inside the portal, for people without a server at hand.

It is an endpoint whose address is ``inbox:test``. Its deliveries are accepted, claimed, signed, recorded and judged
like all others; only the last step differs: what would be sent is kept instead of dialled, so no network is involved.
What was "received" is the attempt's own record and the event's body: nothing is stored twice.
"""

from apps.webhooks.engine.claims import ClaimedDelivery
from apps.webhooks.engine.outcomes import Outcome

INBOX_URL = "inbox:test"


def is_inbox(url: str) -> bool:
    """Tell whether an endpoint is the test inbox. No URL that a person enters is: it is not http."""
    return url == INBOX_URL


def inbox_outcome(claimed: ClaimedDelivery) -> Outcome:
    """Return what the inbox answers: at once, and always yes."""
    return Outcome(claimed, status_code=200, response_body="Kept by the test inbox.\n")

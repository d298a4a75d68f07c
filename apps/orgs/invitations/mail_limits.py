"""How many invitations may leave: they are mails to addresses that somebody else chose."""

from apps.base.requests import PortalRequest
from apps.base.web import form_limits

PER_ORGANIZATION = "200/h"
PER_ADDRESS = "10/h"


def check_mails(request: PortalRequest, organization: str, email: str) -> None:
    """Count one mail and raise RateLimited over 200 an hour of an organization, or 10 to one address.

    Call it after the action, in the same transaction: a mail that is not written is not counted, on neither limit.
    """
    form_limits.check_failures(request, "invitations", PER_ORGANIZATION, per=organization)
    form_limits.check(request, "invitation", PER_ADDRESS, per=f"{organization}:{email}")
    form_limits.check(request, "invitations", PER_ORGANIZATION, per=organization)

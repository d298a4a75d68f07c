"""Rate limits of invitation mails, whose recipients did not ask for them."""

from apps.base.requests import PortalRequest
from apps.base.web import form_limits

PER_ORGANIZATION = "200/h"
PER_ADDRESS = "10/h"


def check_mail_limits(request: PortalRequest, organization: str, email: str) -> None:
    """Count one mail; raise RateLimited over 200 an hour per organization, or 10 to one address.

    Call it after the action, in the same transaction, so that a refused mail counts for neither limit.
    """
    form_limits.check_without_counting(request, "invitations", PER_ORGANIZATION, per=organization)
    form_limits.check(request, "invitation", PER_ADDRESS, per=f"{organization}:{email}")
    form_limits.check(request, "invitations", PER_ORGANIZATION, per=organization)

"""Whether a session passed the second step, for doors that open to nothing less: the operators' pages.

That the account has two-step sign-in is not enough: a session that began by password before it was set up stays.
"""

import time

from allauth.account.internal.flows.login import get_authentication_records
from allauth.mfa.models import Authenticator
from allauth.mfa.utils import is_mfa_enabled
from django.urls import reverse

from apps.base.requests import PortalRequest

SECOND_STEPS = [Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN]
# A working day: after it the code or passkey is asked for again.
LASTS_SECONDS = 12 * 3600


def is_set_up(request: PortalRequest) -> bool:
    """Tell whether the account has an authenticator app or a passkey."""
    return is_mfa_enabled(request.user, SECOND_STEPS)


def passed(request: PortalRequest) -> bool:
    """Tell whether this session gave a code or passkey within the last 12 hours."""
    records = get_authentication_records(request, request.user)
    given = [record["at"] for record in records if record.get("method") == "mfa"]
    return bool(given) and time.time() - given[-1] < LASTS_SECONDS


def reauthentication_path() -> str:
    """Return the path of the page that asks for it: for a code, or a passkey."""
    return reverse("account_reauthenticate")


def is_verified_operator(request: PortalRequest) -> bool:
    """Tell whether the request comes from an active operator whose session passed the second step."""
    user = request.user
    return user.is_authenticated and user.is_active and user.is_staff and is_set_up(request) and passed(request)

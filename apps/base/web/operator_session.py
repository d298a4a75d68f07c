"""Whether a session passed two-step verification, which the operators' pages require.

Two-step verification on the account is not enough: sessions that began by password before it was set up continue.
"""

import time

from allauth.account.internal.flows.login import get_authentication_records
from allauth.mfa.models import Authenticator
from allauth.mfa.utils import is_mfa_enabled
from django.urls import reverse

from apps.base.requests import PortalRequest

# Recovery codes alone are not a second step.
SECOND_STEPS = [Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN]
# After a working day the code or passkey is required again.
MAX_AGE_SECONDS = 12 * 3600


def has_second_step(request: PortalRequest) -> bool:
    """Return whether the account has an authenticator app or a passkey."""
    return is_mfa_enabled(request.user, SECOND_STEPS)


def passed_second_step(request: PortalRequest) -> bool:
    """Return whether this session was verified by a code or passkey within the last 12 hours."""
    records = get_authentication_records(request, request.user)
    confirmed_at = [record["at"] for record in records if record.get("method") == "mfa"]
    return bool(confirmed_at) and time.time() - confirmed_at[-1] < MAX_AGE_SECONDS


def reauthentication_path() -> str:
    """Return the path of the page that asks for a code or a passkey."""
    return reverse("account_reauthenticate")


def is_verified_operator(request: PortalRequest) -> bool:
    """Return whether the request comes from an active operator whose session passed two-step verification."""
    user = request.user
    return (
        user.is_authenticated
        and user.is_active
        and user.is_staff
        and has_second_step(request)
        and passed_second_step(request)
    )
